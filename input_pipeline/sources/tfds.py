"""Any classification set of tensorflow-datasets, by name.

Its encoded pictures are copied aside as they are, in one pass, for they cannot be read by place.
"""

import hashlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, cifar10
from input_pipeline.sources import entries as entries_lib

NAME = 'tfds'
_SUFFIX = '.pictures'
_HELD_OUT = ('validation', 'test')  # the first that there is


def builder_of(dataset: str, source_dir: str, *, download: bool = True) -> Any:
    """The set's builder, downloaded and prepared where it was not.

    Args:
        dataset: As 'tf_flowers' or 'imagenet2012:5.1.0'.
        source_dir: Where tensorflow-datasets keeps its data; '': where it always does.
        download: Whether that may happen.

    Raises:
        DataError: No such set, no pictures or no classes in it, or it cannot be had.
    """
    import tensorflow_datasets as tfds  # it takes seconds, which other sources need not wait

    try:
        builder = tfds.builder(dataset, data_dir=source_dir or None)
        if download:
            builder.download_and_prepare()
    except Exception as error:  # of its own kinds, of the network's and of the disk's
        raise errors.DataError(
            f'--dataset={dataset}: tensorflow-datasets cannot give it '
            f'({type(error).__name__}: {str(error).strip().partition(chr(10))[0]}).'
        ) from error
    features = dict(builder.info.features)
    if not isinstance(features.get('image'), tfds.features.Image) or not isinstance(
        features.get('label'), tfds.features.ClassLabel
    ):
        raise errors.DataError(
            f'--dataset={dataset} has the features {", ".join(features)}; an image and a label '
            'are wanted.'
        )
    return builder


def find(
    dataset: str,
    source_dir: str,
    *,
    splits: dict[str, str],
    validation_fraction: float,
    aside: pathlib.Path,
) -> entries_lib.Found:
    """The pictures of a set.

    Args:
        dataset, source_dir: See `builder_of`.
        splits: What of it is 'train' and 'validation', as tensorflow-datasets writes splits
            ('train[:80%]'); what is missing or '' is found: its validation split, or test, or a
            share of training by content.
        validation_fraction: That share.
        aside: Folder that pictures are copied to; made. Once they are read: `remove_copies`.

    Raises:
        DataError: As `builder_of`; or a split that it does not have.
        OSError: The disk is full.
    """
    builder = builder_of(dataset, source_dir)
    asked = wanted(builder, splits)
    rows = {split: _copied(builder, split, name, aside) for split, name in asked.items()}
    rule = '' if manifests.VALIDATION in rows else entries_lib.BY_CONTENT
    if rule:
        rows |= _halves(rows[manifests.TRAIN], validation_fraction)
    numbers = ', '.join(f'{len(entries):,} {split}' for split, entries in rows.items())
    names = ', '.join(f'{split}={name}' for split, name in asked.items())
    return entries_lib.Found(
        NAME,
        f'tensorflow-datasets {builder.info.full_name} ({names}): {numbers} pictures',
        tuple(builder.info.features['label'].names),
        {split: [row for row, _ in each] for split, each in rows.items()},
        split_rule=rule,
        square_size=cifar10.SIZE if builder.name == cifar10.NAME else entries_lib.Found.square_size,
    )


def remove_copies(aside: pathlib.Path) -> None:
    """Removes the pictures that `find` copied: they are made anew each time."""
    for each in aside.glob(f'*{_SUFFIX}'):
        each.unlink()


def describe(dataset: str, source_dir: str, splits: dict[str, str]) -> str:
    """What `find` would read, in a sentence; arguments as its."""
    builder = builder_of(dataset, source_dir, download=False)
    if not builder.info.splits:
        return f'tensorflow-datasets {builder.info.full_name}, which would be downloaded first'
    asked = wanted(builder, splits)
    numbers = ', '.join(f'{split}={name}' for split, name in asked.items())
    all_of_it = ', '.join(
        f'{each.num_examples:,} {name}' for name, each in builder.info.splits.items()
    )
    return f'tensorflow-datasets {builder.info.full_name} ({all_of_it} pictures): {numbers}'


def wanted(builder: Any, splits: dict[str, str]) -> dict[str, str]:
    """The splits that are read, in tensorflow-datasets' words."""
    found = {manifests.TRAIN: splits.get(manifests.TRAIN) or 'train'}
    held_out = splits.get(manifests.VALIDATION) or next(
        (name for name in _HELD_OUT if name in builder.info.splits), None
    )
    return found | ({manifests.VALIDATION: held_out} if held_out else {})


def _copied(builder, split: str, name: str, aside) -> list[tuple[entries_lib.Entry, str]]:
    """Entries of a split, each with its content's sha256."""
    path, rows, offset = aside / f'{split}{_SUFFIX}', [], 0
    classes = len(builder.info.features['label'].names)
    with files.atomic_file(path) as temporary, temporary.open('wb') as file:
        for at, (encoded, label) in enumerate(_pictures(builder, name)):
            if not 0 <= label < classes:
                raise errors.DataError(
                    f'{builder.info.full_name}, split {name}: a label of {label}: it has none. '
                    'Name another --train_split or --validation_split.'
                )
            member = archives.Member(str(path), offset, len(encoded))
            digest = hashlib.sha256(encoded).hexdigest()
            rows.append((entries_lib.Entry(f'{split}/{at:08d}', label, member), digest))
            file.write(encoded)
            offset += len(encoded)
    return rows


def _pictures(builder, name: str) -> Iterator[tuple[bytes, int]]:
    import tensorflow_datasets as tfds

    try:
        dataset = builder.as_dataset(
            split=name, shuffle_files=False, decoders={'image': tfds.decode.SkipDecoding()}
        )
    except (ValueError, KeyError) as error:
        raise errors.DataError(
            f'{builder.info.full_name} has no split {name!r} ({errors.reason(error)}).'
        ) from error
    try:
        for each in dataset:
            yield each['image'].numpy(), int(each['label'])
    except tf.errors.OpError as error:
        raise errors.DataError(
            f'{builder.info.full_name}, split {name}: a record in {builder.data_dir} cannot be '
            f'read ({errors.reason(error)}). Remove that folder, so that it is made anew.'
        ) from error


def _halves(rows: Sequence, fraction: float) -> dict[str, list]:
    parts = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for row, digest in rows:
        held_out = entries_lib.share(digest) < fraction
        parts[manifests.VALIDATION if held_out else manifests.TRAIN].append((row, digest))
    return parts
