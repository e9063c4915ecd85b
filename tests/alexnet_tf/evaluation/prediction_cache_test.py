"""Probabilities in files: all of them, or none."""

import dataclasses

import numpy as np
import pytest

from alexnet_tf.evaluation import prediction_cache

IDENTITY = prediction_cache.Identity('a' * 64, 'validation', 10, 'b' * 64, 'float16')


def fill(kept, number=5):
    with kept.write([f'{at}.jpg' for at in range(5)], 3) as rows:
        for at in range(number):
            rows.add(np.full((1, 3), at / 4), np.array([at % 3]))


def test_what_was_kept_comes_back(tmp_path):
    kept = prediction_cache.Kept(tmp_path / 'some', IDENTITY)
    assert not kept.stand()
    fill(kept)
    assert kept.stand()
    rows, labels, ids = kept.read()
    assert ids == [f'{at}.jpg' for at in range(5)]
    assert (rows.dtype, rows.shape) == (np.float16, (5, 3))
    np.testing.assert_array_equal(rows[:, 1], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1])
    assert {path.name for path in (tmp_path / 'some').iterdir()} == {
        'validation-10.npy',
        'validation-10.labels.npy',
        'validation-10.json',
    }


@pytest.mark.parametrize('field', ['manifest_sha256', 'variables_sha256', 'dtype'])
def test_those_of_others_do_not_stand(tmp_path, field):
    fill(prediction_cache.Kept(tmp_path, IDENTITY))
    other = dataclasses.replace(IDENTITY, **{field: 'float32'})
    assert not prediction_cache.Kept(tmp_path, other).stand()


def test_half_of_them_are_none(tmp_path):
    kept = prediction_cache.Kept(tmp_path, IDENTITY)
    with pytest.raises(ValueError, match='4 of 5 examples came'):
        fill(kept, 4)
    assert not kept.stand()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('end', ['.npy', '.labels.npy', '.json'])
@pytest.mark.parametrize('left', [0, 60])
def test_damaged_ones_do_not_stand(tmp_path, end, left):
    kept = prediction_cache.Kept(tmp_path, IDENTITY)
    fill(kept)
    path = tmp_path / f'validation-10{end}'
    path.write_bytes(path.read_bytes()[:left])
    assert not kept.stand()
