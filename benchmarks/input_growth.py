"""Measures what a larger data set costs: start-up, memory and speed of the training dataset.

    python benchmarks/input_growth.py --data_dir data/flowers

Data sets of 1, 4, 16 and more times the records are made of hard links beside `--data_dir`, the
last with about a thousand shards. Each is read by a process of its own.
"""

import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import time

import measuring

from input_pipeline.batches import augmentation, datasets
from input_pipeline.images import decoding
from input_pipeline.records import manifests

BATCH_SIZE, SECONDS = 128, 10
EPOCHS = 1_000_000  # more than are read
SHARDS = 1000


def link_copies(manifest: manifests.Manifest, times: int, directory: pathlib.Path) -> None:
    """Makes a data set that has the training shards of another, `times` over."""
    shards = []
    for index in range(times):
        for shard in manifest.splits['train']:
            name = f'{index:04d}-{shard.file}'
            os.link(manifest.directory / shard.file, directory / name)
            shards.append(dataclasses.replace(shard, file=name))
    unchanged = [shard.file for shard in manifest.splits['validation']]
    for name in (*unchanged, manifests.STATISTICS):
        os.link(manifest.directory / name, directory / name)
    splits = manifest.splits | {'train': tuple(shards)}
    text = dataclasses.replace(manifest, splits=splits).to_json()
    (directory / manifests.MANIFEST).write_text(text)


def measure(data_dir: str) -> dict[str, float]:
    """Measures one data set in this process."""
    decoding  # noqa: B018 - TensorFlow is imported before the clock starts
    memory, start = measuring.read_peak_memory(), time.perf_counter()
    manifest = manifests.load(data_dir)
    augment = augmentation.Augmentation(
        manifests.load_statistics(manifest),
        augmentation.AugmentationSettings(crop_size=224, colour_shift_sd=0.1),
    )
    dataset = datasets.TrainingDataset(
        manifest.list_shards('train'), manifest.layout, augment, BATCH_SIZE
    )
    batches = iter(dataset.read_batches(epochs=EPOCHS))
    next(batches)
    first = time.perf_counter() - start
    rate = measuring.measure_stream(batches, SECONDS)
    return {
        'shards': len(dataset.shards),
        'records': manifest.count_examples('train'),
        'first': first,
        'memory': measuring.read_peak_memory() - memory,
        'rate': rate,
    }


def main() -> None:
    """Makes the data sets, measures each and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--data_dir', required=True, help='records to multiply')
    parser.add_argument('--one', action='store_true', help='measure this data set only')
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.data_dir)))
        return
    manifest = manifests.load(args.data_dir)
    print('| x | shards | records | first batch | memory beside TensorFlow | images/s |')
    print('|---|---|---|---|---|---|')
    for times in (1, 4, 16, SHARDS // len(manifest.splits['train'])):
        with tempfile.TemporaryDirectory(dir=manifest.directory.resolve().parent) as directory:
            link_copies(manifest, times, pathlib.Path(directory))
            command = [
                sys.executable,
                'benchmarks/input_growth.py',
                '--one',
                '--data_dir',
                directory,
            ]
            row = json.loads(measuring.run(command))
        print(
            f'| {times} | {row["shards"]:,} | {row["records"]:,} | {row["first"]:.1f} s '
            f'| {row["memory"]:,.0f} MiB | {row["rate"]:,.0f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
