"""Compares prepare with a loop of Pillow's, in one run: a table of docs/results/input.md.

    python benchmarks/prepare.py --source_dir photos --times 10

The loop is one thread that decodes, resizes the shorter side to 256 by bicubic interpolation, crops
the centre and encodes at quality 95 with full colour resolution; it writes nothing. Prepare does
all that it does for a user, on the same images, `times` over.
"""

import dataclasses
import io
import pathlib
import resource
import tempfile
import time

import measuring

from input_pipeline.prepare import conversion
from input_pipeline.sources import entries, folder

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 256, 'seed': 0}


def convert(encoded: bytes) -> bytes:
    """Converts an image to a square JPEG by Pillow."""
    import PIL.Image  # here, since worker processes do not need it

    image = PIL.Image.open(io.BytesIO(encoded)).convert('RGB')
    scale = 256 / min(image.size)
    size = tuple(round(side * scale) for side in image.size)
    image = image.resize(size, PIL.Image.BICUBIC)
    left, top = ((side - 256) // 2 for side in size)
    buffer = io.BytesIO()
    image.crop((left, top, left + 256, top + 256)).save(buffer, 'JPEG', quality=95, subsampling=0)
    return buffer.getvalue()


def repeat(source: entries.Source, times: int) -> entries.Source:
    """Repeats the images of a source under other names."""
    splits = {
        split: [
            dataclasses.replace(entry, name=f'{index}/{entry.name}')
            for index in range(times)
            for entry in split_entries
        ]
        for split, split_entries in source.splits.items()
    }
    return dataclasses.replace(source, splits=splits)


def measure_pillow(paths: list[pathlib.Path]) -> float:
    """Measures images per second of the loop."""
    start = time.perf_counter()
    for path in paths:
        convert(path.read_bytes())
    return len(paths) / (time.perf_counter() - start)


def measure_prepare(source: entries.Source, times: int) -> float:
    """Measures images per second of prepare, including statistics and hashes."""
    source, start = repeat(source, times), time.perf_counter()
    with tempfile.TemporaryDirectory() as data_dir:
        conversion.prepare(
            source, data_dir, settings=SETTINGS, max_bad_fraction=0, report=lambda *_: None
        )
    return sum(map(len, source.splits.values())) / (time.perf_counter() - start)


def main() -> None:
    """Measures both in turns and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--source_dir', required=True, help='a folder of class folders')
    parser.add_argument('--times', type=int, default=10, help='how often prepare gets each image')
    parser.add_argument('--rounds', type=int, default=3, help='rows of the table')
    args = parser.parse_args()
    source = folder.find_images(args.source_dir, validation_fraction=0.1)
    paths = [
        pathlib.Path(args.source_dir, entry.name)
        for split_entries in source.splits.values()
        for entry in split_entries
    ]
    measure_prepare(source, 1)
    print('| Pillow, one thread | prepare | x | peak memory of a process |\n|---|---|---|---|')
    for _ in range(args.rounds):
        pillow, prepare = measure_pillow(paths), measure_prepare(source, args.times)
        peak = max(
            map(measuring.read_peak_memory, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        print(
            f'| {pillow:,.0f} | {prepare:,.0f} | {prepare / pillow:.2f} | {peak:,.0f} MiB |',
            flush=True,
        )


if __name__ == '__main__':
    main()
