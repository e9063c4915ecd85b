"""Indexes are whole and of what was asked for, or refused."""

import dataclasses
import json

import numpy as np
import pytest

from alexnet_tf.retrieval import index
from input_pipeline import errors

IDENTITY = index.Identity('features', 'train', 'a' * 64, 'b' * 64)
WANTED = dataclasses.asdict(IDENTITY)
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def written(tmp_path):
    writer = index.Writer(tmp_path, IDENTITY)
    writer.write(0, ROWS[:3], np.array([0, 1, 0]))
    writer.write(1, ROWS[3:], np.array([1]))
    writer.finish(2, ['w', 'x', 'y', 'z'], ['cat', 'dog'])
    return tmp_path


def test_what_is_written_is_read(written):
    found = index.load(written, **WANTED)
    np.testing.assert_array_equal(found.vectors.rows([3, 0, 2]), ROWS[[3, 0, 2]])
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.ids == ('w', 'x', 'y', 'z')
    assert found.classes == ('cat', 'dog')
    assert (len(found.vectors), found.vectors.width) == (4, 3)


def test_it_goes_on_where_it_was_left(tmp_path):
    index.Writer(tmp_path, IDENTITY).write(0, ROWS, np.zeros(4, int))
    again = index.Writer(tmp_path, IDENTITY)
    assert again.has(0)
    assert not again.has(1)
    with pytest.raises(errors.DataError, match='is unfinished'):
        index.load(tmp_path, **WANTED)


@pytest.mark.parametrize('name', WANTED)
def test_others_are_refused(written, name):
    other = WANTED | {name: 'other'}
    with pytest.raises(errors.DataError, match=name):
        index.load(written, **other)
    with pytest.raises(errors.DataError, match='Name another --index_dir'):
        index.Writer(written, index.Identity(**other))


def test_what_is_no_number_is_not_written(tmp_path):
    with pytest.raises(errors.DataError, match='no number'):
        index.Writer(tmp_path, IDENTITY).write(0, ROWS * np.nan, np.zeros(4, int))
    assert not list(tmp_path.glob('*.npy'))


def test_none_is_there(tmp_path):
    with pytest.raises(errors.DataError, match='holds no index'):
        index.load(tmp_path, **WANTED)


def _zipped(path):
    with open(path, 'wb') as file:
        np.savez(file, a=ROWS)


def _pickled(path):
    np.save(path, np.array([{'a': 1}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ('name', 'damage'),
    [
        ('vectors-00001.npy', lambda path: path.unlink()),
        ('vectors-00001.npy', lambda path: path.write_bytes(path.read_bytes()[:-4])),
        ('vectors-00001.npy', _pickled),
        ('vectors-00000.npy', lambda path: np.save(path, ROWS.astype(np.float64))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0, 9, 0]))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0, 1]))),
        ('labels-00000.npy', lambda path: np.save(path, np.array([0.0, 1.0, 0.0]))),
        ('vectors-00001.npy', lambda path: np.save(path, ROWS[3:, :2])),
        ('vectors-00001.npy', _zipped),
        ('index.json', lambda path: path.write_text('{')),
        ('index.json', lambda path: path.write_text(json.dumps({'parts': 2}))),
        ('begun.json', lambda path: path.write_text('[]')),
    ],
)
def test_damage_is_said(written, name, damage):
    damage(written / name)
    with pytest.raises(errors.DataError, match='damaged'):
        index.load(written, **WANTED)
