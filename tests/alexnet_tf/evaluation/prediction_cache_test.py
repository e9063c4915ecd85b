"""Cached probabilities: all of them, or none."""

import dataclasses

import numpy as np
import pytest

from alexnet_tf.evaluation import prediction_cache

KEY = prediction_cache.PredictionKey('a' * 64, 'validation', 10, 'b' * 64, 'float16')


def fill(cache, number=5):
    with cache.write([f'{at}.jpg' for at in range(5)], 3) as writer:
        for at in range(number):
            writer.add(np.full((1, 3), at / 4), np.array([at % 3]))


def test_cached_predictions_are_loaded(tmp_path):
    cache = prediction_cache.CachedPredictions(tmp_path / 'some', KEY)
    assert cache.load_if_current() is None
    fill(cache)
    probabilities, labels, ids = cache.load_if_current()
    assert ids == [f'{at}.jpg' for at in range(5)]
    assert (probabilities.dtype, probabilities.shape) == (np.float16, (5, 3))
    np.testing.assert_array_equal(probabilities[:, 1], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1])
    assert {path.name for path in (tmp_path / 'some').iterdir()} == {
        'validation-10.npy',
        'validation-10.labels.npy',
        'validation-10.json',
    }


@pytest.mark.parametrize('field', ['manifest_sha256', 'variables_sha256', 'dtype'])
def test_predictions_of_another_key_are_not_loaded(tmp_path, field):
    fill(prediction_cache.CachedPredictions(tmp_path, KEY))
    other = dataclasses.replace(KEY, **{field: 'float32'})
    assert prediction_cache.CachedPredictions(tmp_path, other).load_if_current() is None


def test_incomplete_predictions_leave_no_file(tmp_path):
    cache = prediction_cache.CachedPredictions(tmp_path, KEY)
    with pytest.raises(ValueError, match='4 of 5 examples'):
        fill(cache, 4)
    assert cache.load_if_current() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('end', ['.npy', '.labels.npy', '.json'])
@pytest.mark.parametrize('left', [0, 60])
def test_damaged_predictions_are_not_loaded(tmp_path, end, left):
    cache = prediction_cache.CachedPredictions(tmp_path, KEY)
    fill(cache)
    path = tmp_path / f'validation-10{end}'
    path.write_bytes(path.read_bytes()[:left])
    assert cache.load_if_current() is None
