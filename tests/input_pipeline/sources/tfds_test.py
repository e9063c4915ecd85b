"""tensorflow-datasets, by its own imitation."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from input_pipeline import errors
from input_pipeline.sources import tfds as tfds_lib


@pytest.fixture
def mocked():
    with tfds.testing.mock_data(num_examples=12):
        yield


def find(aside, dataset='tf_flowers', **splits):
    return tfds_lib.find(
        dataset, '', splits=splits, validation_fraction=0.4, aside=aside / 'pictures'
    )


def test_pictures_are_passed_through(mocked, tmp_path):
    found = find(tmp_path)
    assert found.classes == ('dandelion', 'daisy', 'tulips', 'sunflowers', 'roses')
    skip = {'image': tfds.decode.SkipDecoding()}
    wanted = [
        (bytes(each['image']), int(each['label']))
        for each in tfds.load('tf_flowers', split='train', decoders=skip).as_numpy_iterator()
    ]
    entries = sorted(
        (each for part in found.splits.values() for each in part), key=lambda e: e.name
    )
    assert [(each.read(), each.label) for each in entries] == wanted
    assert all(found.splits.values())


def test_splits_by_its_syntax(mocked, tmp_path):
    found = find(tmp_path, train='train[:50%]', validation='train[50%:]')
    assert {split: len(entries) for split, entries in found.splits.items()} == {
        'train': 12,  # the imitation gives as many of each
        'validation': 12,
    }
    assert 'train=train[:50%], validation=train[50%:]' in found.description


def test_cifar10_is_not_resized(mocked, tmp_path):
    found = find(tmp_path, 'cifar10', validation='test')
    assert found.square_size == 32
    assert tf.io.decode_png(found.splits['train'][0].read()).shape == (32, 32, 3)


def test_the_same_twice(mocked, tmp_path):
    one, two = find(tmp_path / 'one'), find(tmp_path / 'two')
    for split in one.splits:
        assert [(e.name, e.label) for e in one.splits[split]] == [
            (e.name, e.label) for e in two.splits[split]
        ]
        assert np.all(
            [
                a.read() == b.read()
                for a, b in zip(*(x.splits[split] for x in (one, two)), strict=True)
            ]
        )


@pytest.mark.parametrize(
    ('dataset', 'said'),
    [('no_such_set', 'cannot give it'), ('imdb_reviews', 'an image and a label are wanted')],
)
def test_what_is_no_picture_set_is_refused(mocked, tmp_path, dataset, said):
    with pytest.raises(errors.DataError, match=said):
        find(tmp_path, dataset)


def test_unlabelled_splits_are_refused(mocked, tmp_path, monkeypatch):
    real = tfds_lib._pictures
    monkeypatch.setattr(tfds_lib, '_pictures', lambda *given: ((p, -1) for p, _ in real(*given)))
    with pytest.raises(errors.DataError, match='a label of -1'):
        find(tmp_path)


def test_a_damaged_record_is_told_of(mocked, tmp_path, monkeypatch):
    real = tfds.core.DatasetBuilder.as_dataset

    def damaged(*args, **flags):
        return real(*args, **flags).map(
            lambda each: each | {'label': tf.strings.to_number('none', tf.int64)}
        )

    monkeypatch.setattr(tfds.core.DatasetBuilder, 'as_dataset', damaged)
    with pytest.raises(errors.DataError, match=r'cannot be read.*Remove that folder'):
        find(tmp_path)


def test_describing_downloads_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, 'download_and_prepare', lambda *_: pytest.fail('a download')
    )
    said = tfds_lib.describe('tf_flowers', str(tmp_path), {})
    assert 'which would be downloaded first' in said
    assert not list(tmp_path.iterdir())
