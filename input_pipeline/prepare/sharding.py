"""Which picture goes into which shard."""

import hashlib
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline import errors
from input_pipeline.records import manifests, writing
from input_pipeline.sources import entries as entries_lib


def layout(found: entries_lib.Found, encoding: str) -> manifests.Layout:
    """How the records of a source hold pictures: small ones, which nothing is resized of, exactly.

    Args:
        found: What the source gave.
        encoding: The wanted one, 'jpeg' or 'raw'.
    """
    if stay(found, encoding):
        return found.in_place
    small = found.square_size < manifests.Layout.square_size
    return manifests.Layout('raw' if small else encoding, found.square_size)


def of(
    directory: pathlib.Path, found: entries_lib.Found, settings: Mapping[str, Any]
) -> dict[str, list[writing.Task]]:
    """The tasks by split: shards of about equal size, or links to the records that there are.

    A picture's place depends on its name and `settings['seed']` only.

    Raises:
        DataError: A split is empty.
    """
    for split, entries in found.splits.items():
        if not entries:
            raise errors.DataError(
                f'{found.description}: no picture falls into the {split} split. Add pictures, or '
                'change --validation_fraction or the split.'
            )
    content = writing.content(found, layout(found, settings['record_encoding']))
    parts = _kept if stay(found, settings['record_encoding']) else _parts
    return {
        split: [
            writing.Task(
                directory / f'{split}-{at:05d}-of-{len(made):05d}.tfrecord',
                part,
                content,
                summed=split == manifests.TRAIN,
                original=original,
            )
            for at, (original, part) in enumerate(made)
        ]
        for split, made in ((split, parts(each, settings)) for split, each in found.splits.items())
    }


def stay(found: entries_lib.Found, encoding: str) -> bool:
    """Whether records that there are stay where they are."""
    same = found.in_place is not None and found.in_place.encoding == encoding
    return same and not found.exif_orientation


def _kept(entries, _) -> list[tuple[str, Sequence[entries_lib.Entry]]]:
    """Each file with its entries."""
    by_file = itertools.groupby(entries, lambda each: each.read.path)
    return [(str(pathlib.Path(path).absolute()), list(part)) for path, part in by_file]


def _parts(entries, settings) -> list[tuple[str, Sequence[entries_lib.Entry]]]:
    ordered = sorted(entries, key=lambda each: _place(each, settings['seed']))
    number = -(-len(ordered) // settings['shard_examples'])
    cuts = [len(ordered) * at // number for at in range(number + 1)]
    return [('', ordered[start:end]) for start, end in itertools.pairwise(cuts)]


def _place(each: entries_lib.Entry, seed: int) -> bytes:
    return hashlib.sha256(f'{seed}:{each.name}'.encode(errors='surrogateescape')).digest()
