"""Data sets of (images, labels) for `fit`: from folders of images, and from prepared records."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from alexnet_tf.api import images as images_lib
from alexnet_tf.api import settings
from alexnet_tf.config import fields
from alexnet_tf.models import recipes
from alexnet_tf.runs import build, image_index, loading, training_data
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import folder

_SUBSETS = {'training': manifests.TRAIN, 'validation': manifests.VALIDATION}
_DTYPES = ('float32', 'bfloat16')


@settings.name_arguments(source_dir='directory', validation_fraction='validation_split')
def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    *,
    validation_split: float | None = None,
    subset: str | None = None,
    seed: int = 0,
    batch_size: int | None = 32,
    shuffle: bool = True,
    image_size: int | tuple[int, int] = (224, 224),
    label_mode: str = 'int',
    exif_orientation: bool = True,
) -> Any:
    """Reads a folder of images, one subfolder per class, as a data set for `fit`.

    It shares some arguments with `keras.utils.image_dataset_from_directory`. Four things differ:
    `validation_split` assigns the images of a class by the hash of their content, so that few
    change subsets when others are added; images are cropped to a square, by default of 224 pixels,
    instead of squeezed; they are uint8; and `seed` is 0, not random.

    Args:
        directory: A folder of class folders; or, with `validation_split`, one with train/ and val/,
            each with class folders, which are then the subsets.
        validation_split: Share of the images to hold out, in (0, 1). None: all images are read.
        subset: 'training', 'validation' or 'both', with `validation_split` only.
        seed: Seed of the order.
        batch_size: Images in a batch. None: single images.
        shuffle: Whether the order changes with each iteration; otherwise images are sorted by
            class.
        image_size: Side of the images in pixels, as 224 or (224, 224). The central square of an
            image is resized to 8/7 of this side, 256 for 224, and its centre is cropped, as in the
            paper.
        label_mode: 'int' for labels int64, 'categorical' for one-hot float32 vectors.
        exif_orientation: Whether images are rotated as their EXIF orientation says.

    Returns:
        A `tf.data.Dataset` of (images, labels): (batch, image_size, image_size, 3) uint8 RGB and
        (batch,) int64. It has the attributes `class_names` and `file_paths`. With subset='both',
        both, training first. Train on it with `AlexNet(include_preprocessing=True)`, or map
        `preprocess_input` over it.

    Raises:
        UsageError: An argument cannot be used; its message says what is expected.
        DataError: There is no such folder, or it has fewer than two class folders with images.
        tf.errors.InvalidArgumentError: While iterating, when a file is not a readable image; the
            message names it.

    Example:
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for path in ('cat/0.png', 'cat/1.png', 'dog/2.png'):
    ...     tf.io.write_file(f'{folder}/{path}', tf.io.encode_png(tf.zeros([40, 60, 3], tf.uint8)))
    >>> dataset = image_dataset_from_directory(folder, image_size=28, batch_size=2)
    >>> len(dataset), dataset.class_names
    (2, ['cat', 'dog'])
    """
    size = _check_image_size(image_size)
    _check_subset(validation_split, subset)
    settings.check_choice('label_mode', label_mode, ('int', 'categorical'))
    if batch_size is not None:
        batch_size = settings.check_count('batch_size', batch_size)
    classes, subsets = _list_subsets(os.path.expanduser(directory), validation_split, subset)
    created = [
        _create_image_dataset(
            entries,
            classes,
            size=size,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            rendering=dataclasses.replace(
                rendering_lib.OWN_IMAGES, exif_orientation=exif_orientation
            ),
            is_categorical=label_mode == 'categorical',
        )
        for entries in subsets
    ]
    return tuple(created) if subset == 'both' else created[0]


@settings.name_arguments()
def dataset_from_records(
    data_dir: str | os.PathLike[str],
    split: str = 'train',
    *,
    batch_size: int = 128,
    recipe: str | recipes.Recipe = 'source2012',
    augment: bool | None = None,
    seed: int = 0,
    dtype: str = 'float32',
    initial_epoch: int = 0,
) -> tf.data.Dataset:
    """Reads records that `prepare` wrote, or unprepared images, as a data set for `fit`.

    With augmentation it is the stream that `train` trains on: random crops, mirror images and
    colour shifts (section 4.1), the same for the same seed on any machine. Each iteration over it,
    such as an epoch of `fit`, reads the next epoch of that stream.

    Args:
        data_dir: Directory of the records; or unprepared images: a folder of class folders, a CSV
            list, TFRecords of other programs, or 'tfds:NAME'. Unprepared images are indexed once,
            in data/NAME-index; `prepare(..., record_encoding='reference')` indexes them with other
            settings.
        split: 'train', 'validation' or 'test'.
        batch_size: Images in a batch; an epoch's last batch may be smaller.
        recipe: Decides crop size and augmentation: a name from `recipes()`, or a `Recipe`.
        augment: Whether images are augmented and shuffled. Otherwise they are the central crops in
            the order of the files, as for evaluation. None: in the split 'train' only.
        seed: Seed of order and augmentation.
        dtype: Type of the images, 'float32' or 'bfloat16'.
        initial_epoch: Epoch that the first iteration reads, to resume with
            `fit(initial_epoch=...)`.

    Returns:
        A `tf.data.Dataset` of (images, labels): (batch, crop_size, crop_size, 3) RGB minus the mean
        image of the records, or minus the recipe's `input_mean`, and (batch,) int64. Augmented
        images have the recipe's `training_crop_size` if it sets one. The data set has a known
        length and the attribute `class_names`. Use it with `AlexNet()` without preprocessing.

    Raises:
        UsageError: An argument cannot be used, or the images do not fit the recipe.
        DataError: There are no records; or, without augmentation, one is cut short or too large.
        tf.errors.DataLossError, tf.errors.InvalidArgumentError: While iterating, when a record
            cannot be read.

    Example:
    >>> import contextlib, tempfile
    >>> import alexnet_tf
    >>> folder = tempfile.mkdtemp()
    >>> for number in range(4):
    ...     image = tf.fill([40, 60, 3], tf.cast(number, tf.uint8))
    ...     path = f'{folder}/images/{"cat" if number % 2 else "dog"}/{number}.png'
    ...     tf.io.write_file(path, tf.io.encode_png(image))
    >>> with contextlib.redirect_stdout(None):
    ...     data_dir = alexnet_tf.prepare(f'{folder}/images', f'{folder}/data')
    >>> dataset = dataset_from_records(data_dir, batch_size=2)
    >>> len(dataset), dataset.class_names
    (1, ['cat', 'dog'])
    """
    config = settings.build_config('train', {'data_dir': data_dir}, name='dataset_from_records')
    manifest = image_index.load_manifest(config)
    batch_size = settings.check_count('batch_size', batch_size)
    settings.check_choice('split', split, tuple(manifest.splits))
    settings.check_choice('dtype', dtype, _DTYPES)
    recipe = settings.get_recipe(recipe)
    training_data.check_image_size(recipe, manifest)
    shards, statistics = manifest.list_shards(split), manifests.load_statistics(manifest)
    if split == manifests.TRAIN if augment is None else augment:
        augmentation = build.build_augmentation(statistics, recipe)
        options = {'seed': seed, 'reshuffle': recipe.reshuffle, 'dtype': dtype}
        stream = datasets.TrainingDataset(
            shards, manifest.layout, augmentation, batch_size, **options
        )
        batches = stream.read_batches(start=(initial_epoch, 0), epochs=None)
    else:
        squares = datasets.evaluation_dataset(shards, layout=manifest.layout, batch_size=batch_size)
        preprocess = build.build_preprocessing(statistics.mean_image, recipe)
        batches = _crop_centres(squares, preprocess, dtype)
    examples = manifest.count_examples(split)
    # The last batch of an epoch is filled up with examples that were read already.
    trim = _drop_mask if examples % batch_size == 0 else _drop_filler
    dataset = batches.map(trim).apply(
        tf.data.experimental.assert_cardinality(-(-examples // batch_size))
    )
    dataset.class_names = list(loading.name_classes(manifest.classes, manifest.words))
    return dataset


def _list_subsets(
    directory: str, validation_split: float | None, subset: str | None
) -> tuple[tuple[str, ...], list[Sequence[entries_lib.Entry]]]:
    """Lists the classes of a folder, and the images of each subset that is asked for."""
    root = files.as_path(directory)
    if not root.is_dir():
        raise errors.DataError(f'directory={root}: no such folder. Name one with class folders.')
    if validation_split is None:
        classes, entries = folder.list_class_images(root)
        return classes, [entries]
    source = folder.find_images(directory, validation_fraction=validation_split)
    names = _SUBSETS if subset == 'both' else [subset]
    return source.classes, [source.splits[_SUBSETS[name]] for name in names]


def _create_image_dataset(
    entries: Sequence[entries_lib.Entry],
    classes: Sequence[str],
    *,
    size: int,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    rendering: rendering_lib.Rendering,
    is_categorical: bool,
) -> tf.data.Dataset:
    @tf.autograph.experimental.do_not_convert
    def read(path, label):
        label = tf.one_hot(label, len(classes)) if is_categorical else label
        return images_lib.read_central_crop(path, size, rendering), label

    paths = [entry.read.path for entry in entries]
    labels = tf.constant([entry.label for entry in entries], tf.int64)
    dataset = tf.data.Dataset.from_tensor_slices((list(map(os.fsencode, paths)), labels))
    if shuffle:
        dataset = dataset.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    if batch_size is not None:
        dataset = dataset.batch(batch_size)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    dataset.class_names, dataset.file_paths = list(classes), paths
    return dataset


def _crop_centres(squares: tf.data.Dataset, preprocess, dtype: str):
    @tf.autograph.experimental.do_not_convert
    def crop(squares, labels, mask):
        return tf.cast(preprocess.make_views(squares, 1), dtype), labels, mask

    return squares.map(crop, num_parallel_calls=1).prefetch(1)


@tf.autograph.experimental.do_not_convert
def _drop_mask(images, labels, _):
    return images, labels


@tf.autograph.experimental.do_not_convert
def _drop_filler(images, labels, mask):
    examples = tf.reduce_sum(tf.cast(mask, tf.int32))  # which come first
    return images[:examples], labels[:examples]


def _check_image_size(image_size: int | tuple[int, int]) -> int:
    sides = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size,)
    if not all(map(settings.is_count, sides)) or len(set(sides)) != 1:
        raise fields.UsageError(
            f'image_size={image_size}: expected the side of a square in pixels, as 224 or (224, '
            '224).'
        )
    return int(sides[0])


def _check_subset(validation_split: float | None, subset: str | None) -> None:
    if (validation_split is None) != (subset is None):
        raise fields.UsageError(
            f'validation_split={validation_split}, subset={subset}: give both or neither.'
        )
    if validation_split is not None:
        settings.check_choice('subset', subset, (*_SUBSETS, 'both'))
        if isinstance(validation_split, str) or not 0 < validation_split < 1:
            raise fields.UsageError(
                f'validation_split={validation_split!r}: expected a share between 0 and 1.'
            )
