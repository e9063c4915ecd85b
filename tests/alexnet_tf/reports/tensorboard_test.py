"""Event files, also those of a run that is resumed."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.reports import tensorboard


def read_events(directory):
    """Returns (tag, step) of every event."""
    return sorted(
        (value.tag, event.step)
        for path in directory.rglob('events.*')
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    )


def write_events(directory, steps):
    writer = tensorboard.SummaryWriter(directory)
    for step in steps:
        writer.write_scalars('train', {'loss': 1.0 / (step + 1)}, step)
    writer.write_image('train', 'kernels', np.zeros((4, 4, 3), np.uint8), max(steps))
    writer.flush()
    return writer


def test_later_events_are_removed(tmp_path):
    writer = write_events(tmp_path, range(6))
    writer.rewind(3)
    assert read_events(tmp_path) == [('loss', step) for step in range(4)]
    writer.write_scalars('train', {'loss': 2.0}, 4)
    writer.flush()
    assert read_events(tmp_path) == [('loss', step) for step in range(5)]


def test_a_profile_may_be_started_while_it_is_running(tmp_path):
    writer = tensorboard.SummaryWriter(tmp_path)
    writer.start_profile('train')
    writer.start_profile('train')
    writer.stop_profile()
    assert list(tmp_path.rglob('*.xplane.pb'))


def test_events_of_the_end_of_an_epoch_can_be_removed_alone(tmp_path):
    writer = write_events(tmp_path, range(4))
    writer.rewind(3, ('kern', 'epoch_'))
    assert read_events(tmp_path) == [('loss', step) for step in range(4)]


def test_a_partly_written_event_is_removed(tmp_path):
    write_events(tmp_path, range(6))
    (path,) = (tmp_path / 'train').iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    tensorboard.SummaryWriter(tmp_path).rewind(9)
    assert read_events(tmp_path) == [('loss', step) for step in range(6)]


def test_without_a_step_all_events_are_removed(tmp_path):
    write_events(tmp_path, range(3)).rewind(None)
    assert read_events(tmp_path) == []


def test_a_file_without_later_events_is_not_touched(tmp_path):
    write_events(tmp_path, range(3))
    (path,) = (tmp_path / 'train').iterdir()
    before = path.stat().st_mtime_ns, path.read_bytes()
    tensorboard.SummaryWriter(tmp_path).rewind(2)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = write_events(None, [1])
    writer.write_hyperparameters({'a': 1})
    writer.start_profile('train')
    writer.stop_profile()
    assert list(tmp_path.iterdir()) == []


def test_hyperparameters_are_written(tmp_path):
    writer = tensorboard.SummaryWriter(tmp_path)
    writer.write_hyperparameters({'width': 0.25, 'drop_epochs': (3, 5), 'columns': None})
    writer.flush()
    assert read_events(tmp_path) == [('_hparams_/session_start_info', 0)]


@pytest.mark.slow
def test_hyperparameters_do_not_need_the_keras_of_tensorflow(tmp_path):
    program = (
        'import pathlib, sys; from alexnet_tf.reports import tensorboard; '
        'writer = tensorboard.SummaryWriter(pathlib.Path(sys.argv[1])); '
        "writer.write_hyperparameters({'width': 0.25})"
    )
    environment = {**os.environ, 'TF_USE_LEGACY_KERAS': '1'}
    command = [sys.executable, '-c', program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
