"""What a larger data set costs: start-up, memory and rate of the training stream, by size.

    python benchmarks/input_growth.py --data_dir data/flowers

Data sets of 1, 4, 16 and more times the records are made of hard links beside `--data_dir`, the
last of about a thousand shards, and read each by a process of its own.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from input_pipeline.batches import augmentation, datasets
from input_pipeline.images import decoding
from input_pipeline.records import manifests

BATCH, SECONDS = 128, 10
THOUSAND = 1000  # shards


def grown(manifest, times: int, directory: pathlib.Path) -> None:
    """A data set whose training shards are those of `manifest`, `times` over."""
    shards = []
    for at in range(times):
        for shard in manifest.splits['train']:
            name = f'{at:04d}-{shard.file}'
            os.link(manifest.directory / shard.file, directory / name)
            shards.append(dataclasses.replace(shard, file=name))
    for shard in manifest.splits['validation']:
        os.link(manifest.directory / shard.file, directory / shard.file)
    statistics = manifests.STATISTICS
    os.link(manifest.directory / statistics, directory / statistics)
    splits = manifest.splits | {'train': tuple(shards)}
    text = dataclasses.replace(manifest, splits=splits).to_json()
    (directory / manifests.MANIFEST).write_text(text)


def measure(data_dir: str) -> dict[str, float]:
    """Of one data set, in this process."""
    decoding  # noqa: B018 - imports TensorFlow before the clock starts
    before, start = memory(), time.perf_counter()
    manifest = manifests.load(data_dir)
    numbers = manifests.statistics(manifest)
    augment = augmentation.Augmentation(
        numbers['mean_image'],
        numbers['eigenvalues'],
        numbers['eigenvectors'],
        crop_size=224,
        shift_sd=0.1,
    )
    stream = datasets.Training(manifest.shards('train'), manifest.layout, augment, BATCH)
    batches = iter(stream.batches(epochs=1_000_000))
    next(batches)
    first = time.perf_counter() - start
    for seconds in (SECONDS / 2, SECONDS):
        begin, number = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            next(batches)
            number += BATCH
    rate = number / (time.perf_counter() - begin)
    return {
        'shards': len(stream.shards),
        'records': manifest.examples('train'),
        'first': first,
        'memory': memory() - before,
        'rate': rate,
    }


def memory() -> float:
    """Most that this process had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Makes the data sets, measures each and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data_dir', required=True)
    parser.add_argument('--one', action='store_true', help='measure this data set only')
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.data_dir)))
        return
    manifest = manifests.load(given.data_dir)
    print('| x | shards | records | first batch | memory beside TensorFlow | images/s |')
    print('|---|---|---|---|---|---|')
    for times in (1, 4, 16, THOUSAND // len(manifest.splits['train'])):
        with tempfile.TemporaryDirectory(dir=manifest.directory.parent) as directory:
            grown(manifest, times, pathlib.Path(directory))
            command = [sys.executable, __file__, '--one', '--data_dir', directory]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f'| {times} | {row["shards"]:,} | {row["records"]:,} | {row["first"]:.1f} s '
            f'| {row["memory"]:,.0f} MB | {row["rate"]:,.0f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
