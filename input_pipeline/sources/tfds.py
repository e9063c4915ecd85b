"""Any image classification data set of tensorflow-datasets, by name.

Its encoded images are copied to a temporary file as they are, in one pass, since they cannot be
read in random order.
"""

import hashlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, cifar10
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import splits as splits_lib

NAME = 'tfds'
_HELD_OUT = ('validation', 'test')  # the first that exists is the validation split


def _load_builder(dataset: str, source_dir: str, *, download: bool = True) -> Any:
    """Loads the builder of a data set.

    Args:
        dataset: Name such as 'tf_flowers' or 'imagenet2012:5.1.0'.
        source_dir: Folder where tensorflow-datasets keeps its data; '' for its default.
        download: Whether to download and prepare the data set if it is not there.

    Raises:
        DataError: There is no such data set, it has no images or classes, or it cannot be
            downloaded.
    """
    import tensorflow_datasets as tfds  # takes seconds, which other sources need not wait for

    try:
        builder = tfds.builder(dataset, data_dir=source_dir or None)
        if download:
            builder.download_and_prepare()
    except Exception as error:  # of its own kinds, of the network's and of the disk's
        first_line = str(error).strip().partition('\n')[0]
        raise errors.DataError(
            f'--dataset={dataset}: tensorflow-datasets cannot load it ({type(error).__name__}: '
            f'{first_line}). Check the name and the connection.'
        ) from error
    features = dict(builder.info.features)
    if not isinstance(features.get('image'), tfds.features.Image) or not isinstance(
        features.get('label'), tfds.features.ClassLabel
    ):
        raise errors.DataError(
            f'--dataset={dataset} has the features {", ".join(features)}; expected an image and a '
            'label. Name a data set for image classification.'
        )
    return builder


def find_images(
    dataset: str,
    source_dir: str,
    *,
    splits: Mapping[str, str],
    validation_fraction: float,
    split_rule: str = '',
    copies_dir: pathlib.Path,
) -> entries_lib.Source:
    """Finds the images of a data set and copies them.

    Args:
        dataset: See `_load_builder`.
        source_dir: See `_load_builder`.
        splits: What 'train' and 'validation' are, in the syntax of tensorflow-datasets
            ('train[:80%]'). If one is missing or '', see `_choose_splits`.
        validation_fraction: Fraction of the training images to hold out, by content, if the data
            set has no other split.
        split_rule: See `splits.hold_out`; '' for the present rule.
        copies_dir: Folder for the copies, which is created; see `entries.remove_copies`.

    Raises:
        DataError: See `_load_builder`; or a split does not exist, has no labels or is damaged.
        OSError: The disk is full.
    """
    builder = _load_builder(dataset, source_dir)
    names = _choose_splits(builder, splits)
    copies = {split: _copy(builder, split, name, copies_dir) for split, name in names.items()}
    if manifests.VALIDATION in names:
        divided, rule = {split: [entry for entry, _ in copies[split]] for split in copies}, ''
    else:
        rule = split_rule or splits_lib.BY_CLASS_AND_CONTENT
        divided = splits_lib.hold_out(copies[manifests.TRAIN], validation_fraction, rule=rule)
    is_cifar10 = builder.name == cifar10.NAME
    return entries_lib.Source(
        NAME,
        f'tensorflow-datasets {builder.info.full_name} ({_describe_names(names)}): '
        f'{splits_lib.describe(divided)}',
        tuple(builder.info.features['label'].names),
        divided,
        split_rule=rule,
        square_size=cifar10.SIZE if is_cifar10 else entries_lib.Source.square_size,
    )


def describe(dataset: str, source_dir: str, splits: Mapping[str, str]) -> str:
    """Describes in a sentence what `find_images` would read, without downloading it.

    Args:
        dataset: See `_load_builder`.
        source_dir: See `_load_builder`.
        splits: See `find_images`.
    """
    builder = _load_builder(dataset, source_dir, download=False)
    info = builder.info
    if not info.splits:
        return f'tensorflow-datasets {info.full_name}, which would be downloaded first'
    sizes = ', '.join(f'{split.num_examples:,} {name}' for name, split in info.splits.items())
    names = _describe_names(_choose_splits(builder, splits))
    return f'tensorflow-datasets {info.full_name} ({sizes} images): {names}'


def _choose_splits(builder: Any, splits: Mapping[str, str]) -> dict[str, str]:
    """Chooses what to read for 'train' and 'validation', in the syntax of tensorflow-datasets.

    Args:
        builder: See `_load_builder`.
        splits: The requested splits. Without 'train', it is the data set's training split; without
            'validation', its validation split or else its test split, if it has one.
    """
    names = {manifests.TRAIN: splits.get(manifests.TRAIN) or 'train'}
    validation = splits.get(manifests.VALIDATION) or next(
        (name for name in _HELD_OUT if name in builder.info.splits), None
    )
    return names | ({manifests.VALIDATION: validation} if validation else {})


def _describe_names(names: Mapping[str, str]) -> str:
    return ', '.join(f'{split}={name}' for split, name in names.items())


def _copy(builder, split: str, name: str, copies_dir) -> list[tuple[entries_lib.Entry, str]]:
    """Copies the images of a split and returns its entries, each with its content's sha256."""
    path, rows, offset = copies_dir / f'{split}{entries_lib.COPY_SUFFIX}', [], 0
    classes = len(builder.info.features['label'].names)
    with files.atomic_file(path) as temporary, temporary.open('wb') as file:
        for index, (encoded, label) in enumerate(_read_examples(builder, name)):
            if not 0 <= label < classes:
                raise errors.DataError(
                    f'{builder.info.full_name}, split {name}: a label of {label} is none of its '
                    f'{classes:,} classes. Name another --train_split or --validation_split.'
                )
            member = archives.Member(str(path), offset, len(encoded))
            digest = hashlib.sha256(encoded).hexdigest()
            rows.append((entries_lib.Entry(f'{split}/{index:08d}', label, member), digest))
            file.write(encoded)
            offset += len(encoded)
    return rows


def _read_examples(builder, name: str) -> Iterator[tuple[bytes, int]]:
    import tensorflow_datasets as tfds

    try:
        dataset = builder.as_dataset(
            split=name, shuffle_files=False, decoders={'image': tfds.decode.SkipDecoding()}
        )
    except (ValueError, KeyError) as error:
        raise errors.DataError(
            f'{builder.info.full_name} has no split {name!r} ({errors.describe(error)}). Name '
            f'another, such as {", ".join(builder.info.splits)}.'
        ) from error
    try:
        for example in dataset:
            yield example['image'].numpy(), int(example['label'])
    except tf.errors.OpError as error:
        raise errors.DataError(
            f'{builder.info.full_name}, split {name}: a record in {builder.data_dir} cannot be '
            f'read ({errors.describe(error)}). Remove that folder, so that it is downloaded again.'
        ) from error
