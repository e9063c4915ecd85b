"""Decides which image goes into which shard."""

import hashlib
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.images import decoding
from input_pipeline.prepare import class_checks
from input_pipeline.records import converting, manifests, references, writing
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import splits


def choose_layout(source: entries_lib.Source, encoding: str) -> manifests.Layout:
    """Chooses how the records of a source hold images.

    Args:
        source: The source of the images. Small images, as of CIFAR, are stored losslessly.
        encoding: The requested encoding, 'jpeg', 'raw' or 'reference'.
    """
    if encoding == references.ENCODING:
        return manifests.Layout(
            encoding,
            source.square_size,
            image=references.FEATURE,
            rendering=source.rendering,
            root=source.root,
        )
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
        settings: `record_encoding`, `shard_examples` and `seed` are used; `jpeg_quality` and
            `jpeg_subsampling` ('444' or '420') if they are there, and `statistics_images` if not
            all training images count for the statistics.

    Raises:
        DataError: A split is empty, or a class has no training image.
    """
    splits.check(source.splits, source.description)
    counts = class_checks.count_source(source)
    class_checks.check_training_images(counts, counts, source.description)
    encoding = settings['record_encoding']
    record_format = converting.RecordFormat(
        source.classes,
        source.words,
        source.ids,
        choose_layout(source, encoding),
        source.rendering,
        settings.get('jpeg_quality', decoding.JPEG_QUALITY),
        halves_colour=settings.get('jpeg_subsampling') == '420',
    )
    divide = _keep_files if uses_records_in_place(source, encoding) else _shuffle_and_cut
    tasks = []
    for split, entries in source.splits.items():
        parts = divide(entries, settings)
        for number, (original, part) in enumerate(parts):
            path = directory / f'{split}-{number:05d}-of-{len(parts):05d}.tfrecord'
            sampled = _share_sample(settings, number, parts) if split == manifests.TRAIN else 0
            tasks.append(writing.ShardTask(path, split, part, record_format, sampled, original))
    return tasks


def _share_sample(settings: Mapping[str, Any], number: int, parts: Sequence) -> int:
    """Counts the images of a training shard, in random order, that the statistics use."""
    images, shards = len(parts[number][1]), len(parts)
    total = settings.get('statistics_images')
    if total is None:
        return images
    return min(images, total * (number + 1) // shards - total * number // shards)


def _keep_files(entries, _settings) -> list[tuple[str, Sequence[entries_lib.Entry]]]:
    """Lists each file of the source with its entries."""
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
