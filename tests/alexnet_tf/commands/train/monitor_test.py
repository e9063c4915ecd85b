"""The lines of a training run; what it writes is tested with training itself."""

import types

import keras
import pytest

from alexnet_tf.commands.train import monitor
from alexnet_tf.config import serialization
from alexnet_tf.models import recipes
from alexnet_tf.reports import progress, tables
from alexnet_tf.training import distribution
from alexnet_tf.training import state as state_lib

EXAMPLES = 1_281_167
METRICS = {'loss': 6.91234, 'top1_error': 0.99912, 'top5_error': 0.99512}


@pytest.fixture
def watched(tmp_path):
    """A monitor of a tiny network on as many examples as ImageNet has."""
    inputs = keras.Input((11, 11, 3))
    columns = [keras.layers.Conv2D(2, 11, name=f'conv1_{column}')(inputs) for column in ('a', 'b')]
    manifest = types.SimpleNamespace(
        classes=tuple(map(str, range(1000))), count_examples=lambda split: EXAMPLES
    )
    config = serialization.from_settings({'mode': 'train', 'run_dir': str(tmp_path)})
    return monitor.Monitor(
        config,
        recipes.SOURCE2012,
        model=keras.Model(inputs, columns),
        manifest=manifest,
        replicas=distribution.SingleReplica(),
    )


def create_state(examples):
    state = state_lib.TrainingState(epoch=92, step=930_000, examples=examples)
    state.add_metrics([*METRICS.values()], 10_000)
    return state


def test_the_progress_line_fits_80_columns(watched, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    meter = progress.Meter()
    meter.add(EXAMPLES // 100)
    now[0] = 1000.0
    monkeypatch.setattr(progress.Progress, 'is_due', True)
    watched.log_step(create_state(EXAMPLES // 2 + 1), 0.01, None, meter)
    assert capsys.readouterr().err == (
        'epoch 93/93  50 %  loss 6.912  error 99.9 %  13 images/s  13:53:23 left\n'
    )


def test_an_epoch_is_a_line_and_a_row(watched, tmp_path, capsys):
    state = create_state(0)
    watched.log_epoch(state, 0.01, train=METRICS, validation=METRICS, images_per_sec=12345.0)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == ('epoch 92/93  loss 6.912, val 6.912  error 99.9 %, val 99.9 %  12,345 images/s')
    (row,) = tables.read_csv(tmp_path / 'summary.csv')
    assert list(row) == [
        *('epoch', 'step', 'learning_rate', 'train_loss', 'train_top1_error', 'train_top5_error'),
        *('validation_loss', 'validation_top1_error', 'validation_top5_error', 'images_per_sec'),
    ]
    assert float(row['train_top1_error']) == METRICS['top1_error']


def test_the_end_names_the_run_and_the_next_command(watched, tmp_path, capsys):
    state = create_state(0)
    state.end_epoch(0.5, 0.4567)
    watched.log_end(state)
    done, place, following = capsys.readouterr().out.splitlines()
    assert done.endswith('validation error 45.7 %')
    assert place.endswith(str(tmp_path))
    assert following.endswith(f'--mode=evaluate --run_dir={tmp_path}')
