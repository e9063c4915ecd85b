"""Events of a run that is taken up again."""

import numpy as np
import tensorflow as tf

from alexnet_tf.reports import tensorboard


def written(directory):
    """(tag, step) of every event."""
    return sorted(
        (value.tag, event.step)
        for path in directory.rglob('events.*')
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    )


def fill(directory, steps):
    writer = tensorboard.Writer(directory)
    for step in steps:
        writer.scalars('train', {'loss': 1.0 / (step + 1)}, step)
    writer.picture('train', 'kernels', np.zeros((4, 4, 3), np.uint8), max(steps))
    writer.flush()
    return writer


def test_later_events_are_taken_away(tmp_path):
    writer = fill(tmp_path, range(6))
    writer.rewind(3)
    assert written(tmp_path) == [('loss', step) for step in range(4)]
    writer.scalars('train', {'loss': 2.0}, 4)
    writer.flush()
    assert written(tmp_path) == [('loss', step) for step in range(5)]


def test_a_profile_may_be_begun_within_itself(tmp_path):
    writer = tensorboard.Writer(tmp_path)
    for begins, ends in ((True, False), (True, False), (False, True)):
        writer.profile('train', begins=begins, ends=ends)
    assert list(tmp_path.rglob('*.xplane.pb'))


def test_what_is_written_at_an_epochs_end_can_go_alone(tmp_path):
    writer = fill(tmp_path, range(4))
    writer.rewind(3, ('kern', 'epoch_'))
    assert written(tmp_path) == [('loss', step) for step in range(4)]


def test_what_was_written_by_halves_is_cut_off(tmp_path):
    fill(tmp_path, range(6))
    (path,) = (tmp_path / 'train').iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    tensorboard.Writer(tmp_path).rewind(9)
    assert written(tmp_path) == [('loss', step) for step in range(6)]


def test_from_the_beginning_nothing_is_left(tmp_path):
    fill(tmp_path, range(3)).rewind(None)
    assert written(tmp_path) == []


def test_what_stands_is_not_touched(tmp_path):
    fill(tmp_path, range(3))
    (path,) = (tmp_path / 'train').iterdir()
    before = path.stat().st_mtime_ns, path.read_bytes()
    tensorboard.Writer(tmp_path).rewind(2)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(None, [1]).numbers('train', {'a': 1})
    assert list(tmp_path.iterdir()) == []
