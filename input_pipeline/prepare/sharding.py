"""Decides which image goes into which shard."""

import hashlib
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.prepare import class_checks
from input_pipeline.records import manifests, writing
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import splits


def choose_layout(source: entries_lib.Source, encoding: str) -> manifests.Layout:
    """Chooses how the records of a source hold images.

    Args:
        source: The source of the images. Small images, as of CIFAR, are stored losslessly.
        encoding: The requested encoding, 'jpeg' or 'raw'.
    """
    if uses_records_in_place(source, encoding):
        return source.in_place_layout
    is_small = source.square_size < manifests.Layout.square_size
    return manifests.Layout('raw' if is_small else encoding, source.square_size)


def uses_records_in_place(source: entries_lib.Source, encoding: str) -> bool:
    """Returns whether a source's own records are linked to instead of written again."""
    layout = source.in_place_layout
    return layout is not None and layout.encoding == encoding and not source.rendering.uses_metadata


def plan_shards(
    directory: pathlib.Path, source: entries_lib.Source, settings: Mapping[str, Any]
) -> list[writing.ShardTask]:
    """Plans shards of about equal size, or links to the records of the source.

    An image's position depends on its name and the seed only.

    Args:
        directory: The data directory.
        source: The source of the images.
        settings: `record_encoding`, `shard_examples` and `seed` are used.

    Raises:
        DataError: A split is empty, or a class has no training image.
    """
    splits.check(source.splits, source.description)
    counts = class_checks.count_source(source)
    class_checks.check_training_images(counts, counts, source.description)
    encoding = settings['record_encoding']
    record_format = writing.RecordFormat(
        source.classes,
        source.words,
        source.ids,
        choose_layout(source, encoding),
        source.rendering,
    )
    divide = _keep_files if uses_records_in_place(source, encoding) else _shuffle_and_cut
    tasks = []
    for split, entries in source.splits.items():
        parts = divide(entries, settings)
        for number, (original, part) in enumerate(parts):
            path = directory / f'{split}-{number:05d}-of-{len(parts):05d}.tfrecord'
            tasks.append(writing.ShardTask(path, split, part, record_format, original))
    return tasks


def _keep_files(entries, _settings) -> list[tuple[str, Sequence[entries_lib.Entry]]]:
    """Each file of the source with its entries."""
    by_file = itertools.groupby(entries, lambda entry: entry.read.path)
    return [(str(pathlib.Path(path).absolute()), list(part)) for path, part in by_file]


def _shuffle_and_cut(entries, settings) -> list[tuple[str, Sequence[entries_lib.Entry]]]:
    def position(entry: entries_lib.Entry) -> bytes:
        text = f'{settings["seed"]}:{entry.name}'
        return hashlib.sha256(text.encode(errors='surrogateescape')).digest()

    ordered = sorted(entries, key=position)
    number = -(-len(ordered) // settings['shard_examples'])
    cuts = [len(ordered) * shard // number for shard in range(number + 1)]
    return [('', ordered[start:end]) for start, end in itertools.pairwise(cuts)]
