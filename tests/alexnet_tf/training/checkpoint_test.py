"""Checkpoints: whole or passed over."""

import json
import pathlib

import keras
import numpy as np
import pytest

from alexnet_tf.training import checkpoint
from input_pipeline import errors


def variables(fill):
    return [
        keras.Variable(np.full(shape, fill, dtype), name=name, dtype=dtype)
        for name, shape, dtype in [('kernel', (2, 3), 'float32'), ('state', (2,), 'int64')]
    ]


def save(directory: pathlib.Path, *steps):
    for step in steps:
        checkpoint.save(directory, variables(step), {'step': step, 'epoch': 1})


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 7)
    found, target = checkpoint.load_newest(tmp_path), variables(0)
    checkpoint.restore(found, target)
    assert checkpoint.read_state(found) == {'step': 7, 'epoch': 1}
    for each in target:
        np.testing.assert_array_equal(each.numpy(), 7)


def test_the_newest_three_are_kept(tmp_path):
    save(tmp_path, 1, 2, 3, 10, 11)
    assert sorted(int(path.name[5:]) for path in tmp_path.iterdir()) == [3, 10, 11]
    assert checkpoint.read_state(checkpoint.load_newest(tmp_path))['step'] == 11


def test_nothing_saved_is_none(tmp_path):
    assert checkpoint.load_newest(tmp_path) is None
    assert checkpoint.load_newest(tmp_path / 'nowhere') is None


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


SPOILS = {
    'flipped': lambda path: flip(path / 'variables.npz'),
    'cut': lambda path: (path / 'variables.npz').write_bytes(b''),
    'missing': lambda path: (path / 'state.json').unlink(),
    'unhashed': lambda path: (path / 'sha256.json').unlink(),
    'no json': lambda path: (path / 'sha256.json').write_text('{'),
    'no hash': lambda path: (path / 'sha256.json').write_text(json.dumps({})),
}


@pytest.mark.parametrize('spoil', SPOILS.values(), ids=SPOILS)
def test_a_broken_one_is_passed_over(tmp_path, spoil):
    save(tmp_path, 1, 2)
    spoil(tmp_path / 'step-00000002')
    with pytest.warns(UserWarning, match='step-00000002 is passed over'):
        found = checkpoint.load_newest(tmp_path)
    assert checkpoint.read_state(found)['step'] == 1


def test_all_broken_is_an_error(tmp_path):
    save(tmp_path, 1)
    flip(tmp_path / 'step-00000001' / 'variables.npz')
    with (
        pytest.warns(UserWarning, match='passed over'),
        pytest.raises(errors.DataError, match='none of the 1 checkpoints'),
    ):
        checkpoint.load_newest(tmp_path)


def test_another_network_is_refused(tmp_path):
    save(tmp_path, 1)
    found = checkpoint.load_newest(tmp_path)
    with pytest.raises(errors.DataError, match=r'kernel has shape \(2, 3\)'):
        checkpoint.restore(found, [keras.Variable(np.zeros((3, 2)), name='kernel')])
    with pytest.raises(errors.DataError, match='has no other'):
        checkpoint.restore(found, [keras.Variable(np.zeros(2), name='other')])


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savez', full)
    with pytest.raises(OSError, match='No space left'):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ['step-00000001']
