"""Photographs to records beside a loop of Pillow's, in one run: a table of docs/results/input.md.

    python benchmarks/prepare.py --source_dir photos --times 10

The loop is one thread that decodes, makes the shorter side 256 by bicubic interpolation, cuts the
centre and encodes at quality 95 with full colour resolution; it writes nothing. `prepare` does all
that a user's prepare does. Both read the same photographs, `times` over.
"""

import argparse
import dataclasses
import io
import pathlib
import resource
import tempfile
import time

from input_pipeline.prepare import conversion
from input_pipeline.sources import folder

SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 256, 'seed': 0}


def by_pillow(encoded: bytes) -> bytes:
    """The loop's body."""
    import PIL.Image  # here, for worker processes do not want it

    picture = PIL.Image.open(io.BytesIO(encoded)).convert('RGB')
    scale = 256 / min(picture.size)
    size = tuple(round(side * scale) for side in picture.size)
    picture = picture.resize(size, PIL.Image.BICUBIC)
    left, top = ((side - 256) // 2 for side in size)
    made = io.BytesIO()
    picture.crop((left, top, left + 256, top + 256)).save(made, 'JPEG', quality=95, subsampling=0)
    return made.getvalue()


def several(found, times: int):
    """The same pictures under several names."""
    splits = {
        split: [
            dataclasses.replace(each, name=f'{at}/{each.name}')
            for at in range(times)
            for each in entries
        ]
        for split, entries in found.splits.items()
    }
    return dataclasses.replace(found, splits=splits)


def ours(found, times: int) -> float:
    """Pictures a second of `prepare`, statistics and hashes included."""
    found, start = several(found, times), time.perf_counter()
    with tempfile.TemporaryDirectory() as data_dir:
        conversion.prepare(
            found, data_dir, settings=SETTINGS, max_bad_fraction=0, report=lambda *_: None
        )
    return sum(map(len, found.splits.values())) / (time.perf_counter() - start)


def peak_of(who: int) -> float:
    """Most memory that a process had, in megabytes."""
    return resource.getrusage(who).ru_maxrss / 1024


def main() -> None:
    """Takes turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--source_dir', required=True)
    parser.add_argument('--times', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=3)
    given = parser.parse_args()
    found = folder.find(given.source_dir, validation_fraction=0.1)
    files = [pathlib.Path(given.source_dir, e.name) for part in found.splits.values() for e in part]
    ours(found, 1)
    print('| Pillow, one thread | prepare | x | most memory of a process |\n|---|---|---|---|')
    for _ in range(given.rounds):
        start = time.perf_counter()
        for path in files:
            by_pillow(path.read_bytes())
        loop = len(files) / (time.perf_counter() - start)
        made = ours(found, given.times)
        peak = max(map(peak_of, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
        print(f'| {loop:,.0f} | {made:,.0f} | {made / loop:.2f} | {peak:,.0f} MB |', flush=True)


if __name__ == '__main__':
    main()
