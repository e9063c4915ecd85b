"""Checkpoints are complete, or are skipped."""

import contextlib
import errno
import json
import pathlib
import shutil

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


def test_a_saved_checkpoint_is_restored(tmp_path):
    save(tmp_path, 7)
    path, restored = checkpoint.find_newest(tmp_path), variables(0)
    checkpoint.restore(path, restored)
    assert checkpoint.read_state(path) == {'step': 7, 'epoch': 1}
    for variable in restored:
        np.testing.assert_array_equal(variable.numpy(), 7)


def test_the_newest_three_are_kept(tmp_path):
    save(tmp_path, 1, 2, 3, 10, 11)
    assert sorted(int(path.name[5:]) for path in tmp_path.iterdir()) == [3, 10, 11]
    assert checkpoint.read_state(checkpoint.find_newest(tmp_path))['step'] == 11


def test_without_a_checkpoint_the_newest_is_none(tmp_path):
    assert checkpoint.find_newest(tmp_path) is None
    assert checkpoint.find_newest(tmp_path / 'nowhere') is None


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    'flipped': lambda path: flip(path / 'variables.npz'),
    'cut': lambda path: (path / 'variables.npz').write_bytes(b''),
    'missing': lambda path: (path / 'state.json').unlink(),
    'hashes missing': lambda path: (path / 'sha256.json').unlink(),
    'hashes not JSON': lambda path: (path / 'sha256.json').write_text('{'),
    'hash missing': lambda path: (path / 'sha256.json').write_text(json.dumps({'version': 2})),
    'hashes not a table': lambda path: (path / 'sha256.json').write_text('[]'),
}


@pytest.mark.parametrize('damage', DAMAGES.values(), ids=DAMAGES)
def test_a_corrupt_checkpoint_is_skipped(tmp_path, damage):
    save(tmp_path, 1, 2)
    damage(tmp_path / 'step-00000002')
    with pytest.warns(UserWarning, match='step-00000002 is skipped'):
        path = checkpoint.find_newest(tmp_path)
    assert checkpoint.read_state(path)['step'] == 1


@pytest.mark.parametrize('number', [errno.EACCES, errno.ESTALE])
def test_a_checkpoint_that_cannot_be_read_now_does_not_count_as_corrupt(
    tmp_path, monkeypatch, number
):
    """An older network in its place, or the advice to remove it, would be wrong."""
    save(tmp_path, 1, 2)
    read_text = pathlib.Path.read_text

    def fail(path, *arguments):
        if path.parent.name.startswith('step-00000002'):
            raise OSError(number, 'cannot be read', str(path))
        return read_text(path, *arguments)

    monkeypatch.setattr(pathlib.Path, 'read_text', fail)
    with pytest.raises(OSError, match='cannot be read'):
        checkpoint.find_newest(tmp_path)
    monkeypatch.undo()
    (tmp_path / 'step-00000002').rename(tmp_path / 'step-00000002.epoch-0001')
    monkeypatch.setattr(checkpoint, 'read_state', lambda path: fail(path / 'state.json'))
    with pytest.raises(OSError, match='cannot be read'):
        checkpoint.find_best(tmp_path)


def test_only_corrupt_checkpoints_are_an_error(tmp_path):
    save(tmp_path, 1)
    flip(tmp_path / 'step-00000001' / 'variables.npz')
    with (
        pytest.warns(UserWarning, match='is skipped'),
        pytest.raises(errors.DataError, match=r'no checkpoint in .* is intact'),
    ):
        checkpoint.find_newest(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    save(tmp_path, 1)
    path = checkpoint.find_newest(tmp_path)
    with pytest.raises(errors.DataError, match=r'kernel has shape \(2, 3\)'):
        checkpoint.restore(path, [keras.Variable(np.zeros((3, 2)), name='kernel')])
    with pytest.raises(errors.DataError, match='has no other'):
        checkpoint.restore(path, [keras.Variable(np.zeros(2), name='other')])


def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savez', full)
    with pytest.raises(OSError, match='No space left'):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ['step-00000001']


def list_steps(directory):
    return sorted(int(path.name[5:13]) for path in directory.iterdir())


def save_epochs(directory, *validation_errors, **more):
    """Saves a checkpoint at the end of each epoch, and one inside the next."""
    for epoch in range(1, len(validation_errors) + 1):
        state = {'epoch': epoch, 'validation_errors': list(validation_errors[:epoch])}
        for step, end in ((10 * epoch, True), (10 * epoch + 5, False)):
            checkpoint.save(
                directory, variables(epoch), state | {'step': step}, ends_epoch=end, **more
            )


def test_the_best_checkpoint_is_kept_and_found(tmp_path):
    save_epochs(tmp_path, 0.9, 0.5, 0.7, 0.5, 0.6)
    assert list_steps(tmp_path) == [20, 45, 50, 55]
    assert checkpoint.find_best(tmp_path).name == 'step-00000020.epoch-0002'
    assert checkpoint.find_newest(tmp_path).name == 'step-00000055'
    flip(tmp_path / 'step-00000020.epoch-0002' / 'variables.npz')
    with pytest.warns(UserWarning, match=r'step-00000020\.epoch-0002 is skipped'):
        assert checkpoint.find_best(tmp_path).name == 'step-00000050.epoch-0005'


def test_every_nth_epoch_is_kept(tmp_path):
    save_epochs(tmp_path, 0.1, 0.2, 0.3, 0.4, 0.5, keep_every_epochs=2)
    assert list_steps(tmp_path) == [10, 20, 40, 45, 50, 55]


def test_without_the_end_of_an_epoch_the_newest_is_the_best(tmp_path):
    save(tmp_path, 1, 2)
    assert checkpoint.find_best(tmp_path).name == 'step-00000002'


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    save(tmp_path, 1)
    path = tmp_path / 'step-00000001' / 'sha256.json'
    path.write_text(path.read_text().replace('"version": 2', '"version": 3'))
    with pytest.raises(errors.DataError, match='has version 3, but this program reads version 2'):
        checkpoint.find_newest(tmp_path)


def test_a_disk_that_returns_other_data_loses_no_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1, 2, 3)
    real = checkpoint.files.atomic_directory

    @contextlib.contextmanager
    def damage_after(path):
        with real(path) as temporary:
            yield temporary
        flip(path / 'variables.npz')

    monkeypatch.setattr(checkpoint.files, 'atomic_directory', damage_after)
    with pytest.raises(OSError, match='just written is corrupt'):
        save(tmp_path, 4)
    assert checkpoint.find_newest(tmp_path).name == 'step-00000003'
    assert list_steps(tmp_path) == [1, 2, 3]


def test_files_that_a_killed_process_left_are_removed(tmp_path):
    (tmp_path / '.step-00000001.tmp-99-0123abcd').mkdir()
    save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ['step-00000002']


def test_a_checkpoint_before_validation_gives_way_to_the_one_at_the_end_of_the_epoch(tmp_path):
    state = {'step': 5, 'epoch': 0, 'validation_errors': []}
    checkpoint.save(tmp_path, variables(1), state)
    end = state | {'epoch': 1, 'validation_errors': [0.5]}
    checkpoint.save(tmp_path, variables(1), end, ends_epoch=True)
    assert checkpoint.read_state(checkpoint.find_newest(tmp_path)) == end
    assert len(list(tmp_path.iterdir())) == 1


def test_corrupt_checkpoints_do_not_push_out_the_last_good_one(tmp_path):
    for step in (10, 20, 30, 40):
        checkpoint.save(tmp_path, variables(step), {'step': step, 'epoch': 1})
    for step in (20, 30, 40):
        flip(tmp_path / f'step-000000{step}' / 'variables.npz')
    checkpoint.save(tmp_path, variables(15), {'step': 15, 'epoch': 1})
    assert list_steps(tmp_path) == [15]
    assert checkpoint.find_newest(tmp_path).name == 'step-00000015'


def test_a_corrupt_checkpoint_is_written_again(tmp_path):
    save(tmp_path, 1)
    flip(tmp_path / 'step-00000001' / 'variables.npz')
    save(tmp_path, 1)
    assert checkpoint.find_newest(tmp_path).name == 'step-00000001'


def test_another_state_at_the_same_step_replaces_the_checkpoint(tmp_path):
    save(tmp_path, 1)
    checkpoint.save(tmp_path, variables(9), {'step': 1, 'epoch': 1, 'passed_over': [[0, 8]]})
    path, restored = checkpoint.find_newest(tmp_path), variables(0)
    checkpoint.restore(path, restored)
    assert restored[0].numpy().max() == 9


def test_the_same_state_leaves_the_checkpoint_as_it_is(tmp_path, monkeypatch):
    """An epoch without validation has NaN as its error, which equals nothing."""
    state = {'step': 1, 'epoch': 1, 'validation_errors': [float('nan')]}
    path = checkpoint.save(tmp_path, variables(1), state)
    monkeypatch.setattr(checkpoint, '_write', None)
    assert checkpoint.save(tmp_path, variables(1), state) == path
    assert checkpoint.find_newest(tmp_path) == path


def test_a_directory_that_appears_after_the_start_loses_no_checkpoint(tmp_path):
    """A disk that is mounted late: the run has found none, and began at step 0."""
    save(tmp_path, 8, 9)
    with pytest.raises(errors.DataError, match='was not there when training started'):
        save(tmp_path, 1)
    assert sorted(int(path.name[5:]) for path in tmp_path.iterdir()) == [8, 9]


def test_a_directory_that_cannot_be_listed_is_an_error_and_not_empty(tmp_path):
    link = tmp_path / 'checkpoints'
    link.symlink_to(tmp_path / 'not mounted')
    with pytest.raises(FileNotFoundError):
        checkpoint.find_newest(link)


def test_a_checkpoint_that_another_process_reads_does_not_end_training(tmp_path, monkeypatch):
    """On NFS, files that are open stay, so that their directory cannot be removed."""
    save(tmp_path, 1, 2, 3)

    rmtree = shutil.rmtree

    def remove(path, ignore_errors=False):
        if path.name != 'step-00000001':
            rmtree(path, ignore_errors)
        elif not ignore_errors:
            raise OSError(errno.ENOTEMPTY, 'Directory not empty', str(path))

    monkeypatch.setattr(shutil, 'rmtree', remove)
    save(tmp_path, 4)
    assert checkpoint.find_newest(tmp_path).name == 'step-00000004'


def test_directories_of_other_names_are_not_checkpoints(tmp_path):
    save(tmp_path, 1)
    shutil.copytree(tmp_path / 'step-00000001', tmp_path / 'step-00000009-good')
    save(tmp_path, 2)
    assert checkpoint.find_newest(tmp_path).name == 'step-00000002'
    assert (tmp_path / 'step-00000009-good').is_dir()
