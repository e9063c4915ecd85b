"""Data sets for `fit`: folders of images as the decoder reads them, and the training stream."""

import dataclasses
import os
import shutil

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.api import datasets as api_datasets
from alexnet_tf.api import errors
from alexnet_tf.api import images as images_lib
from alexnet_tf.models import recipes
from alexnet_tf.runs import build
from input_pipeline import python_functions
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.images import foreign_formats, headers, rendering
from input_pipeline.records import converting, manifests

TINY = recipes.PAPER.replace(crop_size=67)


def collect(dataset):
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def read_folder(*arguments, **settings):
    return api_datasets.image_dataset_from_directory(*arguments, **{'image_size': 28} | settings)


def test_a_folder_is_read_by_class_as_records_are(shared_folder):
    sizes = {'batch_size': np.int64(5), 'image_size': np.int32(28)}
    dataset = read_folder(shared_folder, shuffle=False, **sizes)
    assert dataset.class_names == ['cat', 'dog']
    assert len(dataset) == 5
    images, labels = collect(dataset)
    assert (images.dtype, images.shape) == (np.uint8, (24, 28, 28, 3))
    assert labels.tolist() == [0] * 12 + [1] * 12
    assert dataset.file_paths == sorted(map(str, shared_folder.rglob('*.jpg')))
    for path, image in zip(dataset.file_paths[::6], images[::6], strict=True):
        with open(path, 'rb') as file:
            square = converting.decode_square(file.read(), rendering.OWN_IMAGES, 32)
        np.testing.assert_array_equal(image, preprocessing.central_crop(square.numpy(), 28))


@pytest.fixture
def undecoded(monkeypatch):
    """Lists what the decoder is called for, in place of it: its graph takes long to optimise."""
    calls = []

    def read(path, size, shown):
        calls.append((size, shown))
        return tf.zeros([size, size, 3], tf.uint8)

    monkeypatch.setattr(images_lib, 'read_central_crop', read)
    return calls


def test_by_default_images_are_the_paper_s_and_upright(shared_folder, undecoded):
    api_datasets.image_dataset_from_directory(shared_folder)
    read_folder(shared_folder, exif_orientation=False)
    turned = dataclasses.replace(rendering.OWN_IMAGES, exif_orientation=False)
    assert undecoded == [(224, rendering.OWN_IMAGES), (28, turned)]


@pytest.fixture(scope='module')
def read_image():
    """Reads an image as the data sets do, in a graph that is traced once."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def read(path):
        return images_lib.read_central_crop(path, 28, rendering.OWN_IMAGES)

    return lambda path: read(tf.constant(str(path))).numpy()


def test_exif_orientation_is_applied(shared_folder, tmp_path, read_image):
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    with PIL.Image.open(shared_folder / 'cat' / '00.jpg') as image:
        image.save(tmp_path / 'stored.jpg', quality=95)
        image.save(tmp_path / 'turned.jpg', exif=exif, quality=95)
    stored, turned = (read_image(tmp_path / f'{name}.jpg') for name in ('stored', 'turned'))
    np.testing.assert_array_equal(turned, stored[::-1, ::-1])


def test_a_heic_is_read_as_the_png_that_it_becomes(shared_folder, tmp_path, read_image):
    pillow_heif = pytest.importorskip('pillow_heif')
    heic, png = tmp_path / 'a.heic', tmp_path / 'a.png'
    with PIL.Image.open(shared_folder / 'cat' / '00.jpg') as image:
        pillow_heif.from_pillow(image).save(heic)
    png.write_bytes(foreign_formats.convert(heic.read_bytes(), headers.MAX_PIXELS)[1])
    np.testing.assert_array_equal(read_image(heic), read_image(png))
    heic.write_bytes(heic.read_bytes()[:200])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r'a\.heic: a damaged HEIC'):
        read_image(heic)


def test_every_iteration_has_another_order_that_the_seed_decides(shared_folder, undecoded):
    dataset, again = (read_folder(shared_folder, seed=3) for _ in range(2))
    (_, first), (_, second), (_, same) = (collect(each) for each in (dataset, dataset, again))
    assert first.tolist() == same.tolist()
    assert first.tolist() != second.tolist()
    assert sorted(first) == sorted(second)


def test_without_a_seed_the_order_is_random(shared_folder, undecoded):
    orders = {tuple(collect(read_folder(shared_folder, seed=None))[1].tolist()) for _ in range(3)}
    assert len(orders) > 1


def test_names_that_are_not_unicode_are_read(shared_folder, tmp_path, undecoded):
    folder = os.fsencode(shutil.copytree(shared_folder, tmp_path / 'folder'))
    os.rename(os.path.join(folder, b'cat/00.jpg'), os.path.join(folder, b'cat/caf\xe9.jpg'))
    dataset = read_folder(os.fsdecode(folder))
    assert any('caf' in path for path in dataset.file_paths)
    assert len(collect(dataset)[1]) == len(dataset.file_paths)


def test_content_decides_the_subset_as_in_prepare(shared_folder, records, undecoded):
    training, validation = read_folder(shared_folder, validation_split=0.4, subset='both')
    manifest = manifests.load(records)
    assert len(training.file_paths) == manifest.count_examples('train')
    assert len(validation.file_paths) == manifest.count_examples('validation')
    alone = read_folder(shared_folder, validation_split=0.4, subset='validation', seed=7)
    assert alone.file_paths == validation.file_paths
    assert not set(training.file_paths) & set(validation.file_paths)


def test_labels_may_be_one_hot_and_images_single(shared_folder, undecoded):
    dataset = read_folder(shared_folder, label_mode='categorical', batch_size=None)
    image, label = next(iter(dataset))
    assert image.shape == (28, 28, 3)
    assert (label.dtype, sorted(label.numpy())) == (tf.float32, [0, 1])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'a text', 'dog/05.jpg: not an image: neither JPEG, PNG, GIF, BMP nor WebP'),
        (None, 'dog/05.jpg: it cannot be decoded: corrupt, truncated'),
    ],
)
def test_an_unreadable_file_is_named(folder, read_image, content, message):
    path = folder / 'dog' / '05.jpg'
    path.write_bytes(content or path.read_bytes()[:2000])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read_image(path)


def test_a_folder_of_splits_has_no_classes_of_their_names(shared_folder, tmp_path):
    for name in ('train', 'val'):
        shutil.copytree(shared_folder, tmp_path / name)
    with pytest.raises(errors.DataError, match='has train/ and val/, which are no classes'):
        read_folder(tmp_path)
    train, _ = read_folder(tmp_path, validation_split=0.5, subset='both')
    assert len(train.file_paths) == 24


def test_iterators_over_a_folder_end_before_the_interpreter(shared_folder):
    register = python_functions._free_iterators_at_exit
    register.cache_clear()
    read_folder(shared_folder)
    assert register.cache_info().currsize == 1


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'validation_split': 0.2}, 'give both or neither'),
        ({'validation_split': 1.5, 'subset': 'both'}, 'expected a share between 0 and 1'),
        ({'validation_split': 0.2, 'subset': 'train'}, 'expected one of training, validation'),
        ({'image_size': (28, 32)}, 'expected the side of a square'),
        ({'image_size': True}, 'expected the side of a square'),
        ({'batch_size': 0}, 'batch_size=0: expected an integer from 1'),
        ({'label_mode': 'binary'}, 'label_mode='),
    ],
)
def test_arguments_that_cannot_be_used_are_named(shared_folder, settings, message):
    with pytest.raises(errors.UsageError, match=message):
        read_folder(shared_folder, **settings)


def test_a_missing_folder_and_one_without_classes_are_named(tmp_path):
    with pytest.raises(errors.DataError, match='nowhere: no such folder'):
        read_folder('nowhere')
    with pytest.raises(errors.DataError, match='has no class folders'):
        read_folder(tmp_path)


def test_each_iteration_is_the_next_epoch_of_the_training_stream(records):
    manifest = manifests.load(records)
    statistics = manifests.load_statistics(manifest)
    stream = datasets.TrainingDataset(
        manifest.list_shards('train'),
        manifest.layout,
        build.build_augmentation(statistics, TINY),
        8,
        seed=5,
    )
    dataset = api_datasets.dataset_from_records(records, batch_size=8, recipe=TINY, seed=5)
    examples = manifest.count_examples('train')
    assert examples % 8  # so that the last batch is a smaller one
    assert len(dataset) == -(-examples // 8)
    assert dataset.class_names == ['cat', 'dog']
    batches = list(stream.read_batches(epochs=2).as_numpy_iterator())
    for epoch in range(2):
        images, labels = collect(dataset)
        expected = batches[epoch * len(dataset) : (epoch + 1) * len(dataset)]
        all_images, all_labels, mask = map(np.concatenate, zip(*expected, strict=True))
        np.testing.assert_array_equal(images, all_images[mask > 0])
        np.testing.assert_array_equal(labels, all_labels[mask > 0])
        assert len(labels) == examples
    later = api_datasets.dataset_from_records(
        records, batch_size=8, recipe=TINY, seed=5, initial_epoch=1
    )
    np.testing.assert_array_equal(collect(later)[0], images)


def test_other_splits_are_central_crops_in_the_order_of_the_files(records):
    manifest = manifests.load(records)
    mean = manifests.load_statistics(manifest).mean_image
    dataset = api_datasets.dataset_from_records(records, 'validation', batch_size=4, recipe=TINY)
    images, labels = collect(dataset)
    count = manifest.count_examples('validation')
    squares = datasets.read_squares(
        manifest.list_shards('validation'), manifest.layout, range(count)
    )
    crops = [preprocessing.central_crop(square, 67) for square in squares]
    expected = np.array(crops, np.float32) - preprocessing.central_crop(mean, 67)
    np.testing.assert_array_equal(images, expected)
    assert len(labels) == count
    assert len(dataset) == -(-count // 4)


def test_fit_reads_an_epoch_at_a_time(records):
    train = api_datasets.dataset_from_records(records, batch_size=8, recipe=TINY)
    validation = api_datasets.dataset_from_records(records, 'validation', recipe=TINY)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-7), loss)
    history = model.fit(train, validation_data=validation, epochs=2, verbose=0, shuffle=False)
    assert len(history.history['val_loss']) == 2
    assert model.optimizer.iterations == 2 * len(train)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'split': 'test'}, "split='test': expected one of train, validation"),
        ({'recipe': 'vgg'}, "recipe='vgg': expected one of paper, source2012"),
        ({'batch_size': None}, 'batch_size=None: expected an integer from 1'),
        ({'dtype': 'uint8'}, "dtype='uint8': expected one of float32, bfloat16"),
        ({'recipe': recipes.PAPER.replace(crop_size=300)}, 'Give a smaller one'),
    ],
)
def test_arguments_for_records_that_cannot_be_used_are_named(records, settings, message):
    with pytest.raises(errors.UsageError, match=message):
        api_datasets.dataset_from_records(records, **settings)


def test_damaged_and_missing_records_are_errors(records, tmp_path):
    with pytest.raises(errors.DataError, match='holds no prepared data'):
        api_datasets.dataset_from_records(tmp_path)
    copy = shutil.copytree(records, tmp_path / 'copy')
    shard = min(copy.glob('train-*'))
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        collect(api_datasets.dataset_from_records(copy, recipe=TINY, batch_size=8))
