"""An index is complete and of the expected records and network, or it is refused."""

import json

import numpy as np
import pytest

from alexnet_tf.retrieval import index
from input_pipeline import errors

KEY = {
    'kind': 'features',
    'split': 'train',
    'manifest_sha256': 'a' * 64,
    'variables_sha256': 'b' * 64,
}
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def finished(tmp_path):
    """The directory of a finished index of two parts."""
    writer = index.IndexWriter(tmp_path, **KEY)
    writer.write_part(0, ROWS[:3], np.array([0, 1, 0]))
    writer.write_part(1, ROWS[3:], np.array([1]))
    writer.finish(2, ['w', 'x', 'y', 'z'], ['cat', 'dog'])
    return tmp_path


def test_a_loaded_index_holds_what_was_written(finished):
    loaded = index.load(finished, **KEY)
    np.testing.assert_array_equal(loaded.vectors.take([3, 0, 2]), ROWS[[3, 0, 2]])
    assert loaded.labels.tolist() == [0, 1, 0, 1]
    assert loaded.ids == ('w', 'x', 'y', 'z')
    assert loaded.classes == ('cat', 'dog')
    assert (len(loaded.vectors), loaded.vectors.width) == (4, 3)


def test_an_interrupted_index_keeps_its_parts_and_is_not_loaded(tmp_path):
    index.IndexWriter(tmp_path, **KEY).write_part(0, ROWS, np.zeros(4, int))
    resumed = index.IndexWriter(tmp_path, **KEY)
    assert resumed.has_part(0)
    assert not resumed.has_part(1)
    with pytest.raises(errors.DataError, match='is unfinished'):
        index.load(tmp_path, **KEY)


@pytest.mark.parametrize('name', KEY)
def test_an_index_with_another_key_is_refused(finished, name):
    other = KEY | {name: 'other'}
    with pytest.raises(errors.DataError, match=name):
        index.load(finished, **other)
    with pytest.raises(errors.DataError, match='Choose another --index_dir'):
        index.IndexWriter(finished, **other)


def test_non_finite_vectors_are_not_written(tmp_path):
    with pytest.raises(errors.DataError, match='non-finite'):
        index.IndexWriter(tmp_path, **KEY).write_part(0, ROWS * np.nan, np.zeros(4, int))
    assert not list(tmp_path.glob('*.npy'))


def test_a_missing_index_is_reported(tmp_path):
    with pytest.raises(errors.DataError, match='holds no index'):
        index.load(tmp_path, **KEY)


def _save_zip(path):
    with open(path, 'wb') as file:
        np.savez(file, a=ROWS)


def _save_pickle(path):
    np.save(path, np.array([{'a': 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        ('vectors-00001.npy', lambda path: path.unlink()),
        ('vectors-00001.npy', lambda path: path.write_bytes(path.read_bytes()[:-4])),
        ('vectors-00001.npy', _save_pickle),
        ('vectors-00000.npy', lambda path: np.save(path, ROWS.astype(np.float64))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0, 9, 0]))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0, 1]))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0.0, 1.0, 0.0]))),
        ('vectors-00001.npy', lambda path: np.save(path, ROWS[3:, :2])),
        ('vectors-00001.npy', _save_zip),
        ('index.json', lambda path: path.write_text('{')),
        ('index.json', lambda path: path.write_text(json.dumps({'parts': 2}))),
        ('begun.json', lambda path: path.write_text('[]')),
    ],
)
def test_a_damaged_index_is_refused(finished, name, damage):
    damage(finished / name)
    with pytest.raises(errors.DataError, match='damaged'):
        index.load(finished, **KEY)
