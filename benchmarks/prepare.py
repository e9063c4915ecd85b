"""Compares prepare with a loop of Pillow's, in one run: a table of docs/results/input.md.

    python benchmarks/prepare.py --source_dir photos --times 10

The loop is one thread that decodes, resizes the shorter side to 256 by bicubic interpolation, crops
the centre and encodes at quality 95 with full colour resolution; it writes nothing. Prepare does
all that it does for a user, on the same images, `--times` over. The two take turns. Other programs
on the machine disturb images per second, so the processor time of an image is printed, too.
"""

import dataclasses
import io
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import measuring
import PIL.Image
import tensorflow as tf

from input_pipeline.images import rendering
from input_pipeline.prepare import conversion
from input_pipeline.sources import entries, folder

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 256, 'seed': 0}


def convert(encoded: bytes) -> bytes:
    """Converts an image to a square JPEG by Pillow."""
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


class Speed(NamedTuple):
    """How fast images were converted."""

    images_per_sec: float
    processor_ms: float  # of an image


def measure(convert_all: Callable[[], None], images: int) -> Speed:
    """Measures a conversion of so many images."""
    wall, processor = time.perf_counter(), time.process_time()
    convert_all()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Speed(images / wall, processor / images * 1e3)


def measure_pillow(paths: list[pathlib.Path]) -> Speed:
    """Measures the loop."""
    return measure(lambda: [convert(path.read_bytes()) for path in paths], len(paths))


def measure_prepare(source: entries.Source, times: int) -> Speed:
    """Measures prepare, including statistics and hashes."""
    source = repeat(source, times)

    def prepare():
        with tempfile.TemporaryDirectory() as data_dir:
            conversion.prepare(
                source, data_dir, settings=SETTINGS, max_bad_fraction=0, report=lambda *_: None
            )

    return measure(prepare, sum(map(len, source.splits.values())))


def format_row(pillow: Speed, prepare: Speed) -> str:
    """Formats a row of the table."""
    ratio = prepare.images_per_sec / pillow.images_per_sec
    return (
        f'| {pillow.images_per_sec:,.0f} | {prepare.images_per_sec:,.0f} | {ratio:.2f} | '
        f'{pillow.processor_ms:.2f} | {prepare.processor_ms:.2f} |'
    )


def main() -> None:
    """Measures both in turns and prints the table, and the medians."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--source_dir', required=True, help='a folder of class folders')
    parser.add_argument('--times', type=int, default=10, help='how often prepare gets each image')
    parser.add_argument('--rounds', type=int, default=5, help='rows of the table')
    parser.add_argument(
        '--as_imagenet', action='store_true', help='convert no colour profiles, as the loop does'
    )
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)  # as the command does
    source = folder.find_images(args.source_dir, validation_fraction=0.1)
    if args.as_imagenet:
        source = dataclasses.replace(source, rendering=rendering.PLAIN)
    paths = [
        pathlib.Path(args.source_dir, entry.name)
        for split_entries in source.splits.values()
        for entry in split_entries
    ]
    measure_prepare(source, 1)
    print('| Pillow, one thread | prepare | x | Pillow, ms of a core | prepare |')
    print('|---|---|---|---|---|')
    rows = []
    for _ in range(args.rounds):
        rows.append((measure_pillow(paths), measure_prepare(source, args.times)))
        print(format_row(*rows[-1]), flush=True)
    ratios = [prepare.images_per_sec / pillow.images_per_sec for pillow, prepare in rows]
    processor = [2 * pillow.processor_ms / prepare.processor_ms for pillow, prepare in rows]
    print(
        f'medians: {statistics.median(ratios):.2f} x by the clock, '
        f'{statistics.median(processor):.2f} x by processor time with two cores; '
        f'peak memory {measuring.read_peak_memory():,.0f} MiB'
    )


if __name__ == '__main__':
    main()
