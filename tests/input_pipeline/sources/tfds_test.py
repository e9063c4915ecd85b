"""Checks data sets of tensorflow-datasets, with its own mock data."""

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from input_pipeline import errors
from input_pipeline.sources import tfds as tfds_lib


@pytest.fixture
def mocked():
    with tfds.testing.mock_data(num_examples=12):
        yield


def find_images(folder, dataset='tf_flowers', **splits):
    return tfds_lib.find_images(
        dataset, '', splits=splits, validation_fraction=0.4, copies_dir=folder / 'copies'
    )


def test_images_and_labels_are_passed_through(mocked, tmp_path):
    source = find_images(tmp_path)
    assert source.classes == ('dandelion', 'daisy', 'tulips', 'sunflowers', 'roses')
    skip = {'image': tfds.decode.SkipDecoding()}
    expected = [
        (bytes(example['image']), int(example['label']))
        for example in tfds.load('tf_flowers', split='train', decoders=skip).as_numpy_iterator()
    ]
    entries = sorted(
        (entry for part in source.splits.values() for entry in part),
        key=lambda entry: entry.name,
    )
    assert [(entry.read(), entry.label) for entry in entries] == expected
    assert all(source.splits.values())


def test_splits_are_named_in_its_syntax(mocked, tmp_path):
    source = find_images(tmp_path, train='train[:50%]', validation='train[50%:]')
    assert {split: len(entries) for split, entries in source.splits.items()} == {
        'train': 12,  # the mock has as many in each
        'validation': 12,
    }
    assert 'train=train[:50%], validation=train[50%:]' in source.description


def test_cifar10_is_not_resized(mocked, tmp_path):
    source = find_images(tmp_path, 'cifar10', validation='test')
    assert source.square_size == 32
    assert tf.io.decode_png(source.splits['train'][0].read()).shape == (32, 32, 3)


def test_entries_are_the_same_every_time(mocked, tmp_path):
    sources = [find_images(tmp_path / name) for name in ('one', 'two')]
    one, two = (
        {
            split: [(entry.name, entry.label, entry.read()) for entry in entries]
            for split, entries in source.splits.items()
        }
        for source in sources
    )
    assert one == two


@pytest.mark.parametrize(
    ('dataset', 'message'),
    [('no_such_set', 'cannot load it'), ('imdb_reviews', 'expected an image and a label')],
)
def test_data_sets_without_images_are_refused(mocked, tmp_path, dataset, message):
    with pytest.raises(errors.DataError, match=message):
        find_images(tmp_path, dataset)


def test_unlabelled_splits_are_refused(mocked, tmp_path, monkeypatch):
    real = tfds_lib._read_examples
    unlabelled = lambda *args: ((image, -1) for image, _ in real(*args))  # noqa: E731
    monkeypatch.setattr(tfds_lib, '_read_examples', unlabelled)
    with pytest.raises(errors.DataError, match='a label of -1'):
        find_images(tmp_path)


def test_a_damaged_record_is_reported(mocked, tmp_path, monkeypatch):
    real = tfds.core.DatasetBuilder.as_dataset

    def damaged(*args, **flags):
        return real(*args, **flags).map(
            lambda example: example | {'label': tf.strings.to_number('none', tf.int64)}
        )

    monkeypatch.setattr(tfds.core.DatasetBuilder, 'as_dataset', damaged)
    with pytest.raises(errors.DataError, match=r'cannot be read.*Remove that folder'):
        find_images(tmp_path)


def test_describing_downloads_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, 'download_and_prepare', lambda *_: pytest.fail('a download')
    )
    description = tfds_lib.describe('tf_flowers', str(tmp_path), {})
    assert 'which would be downloaded first' in description
    assert not list(tmp_path.iterdir())
