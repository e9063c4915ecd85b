"""The lines of a training run; what it writes is tested with training itself."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.commands.train import monitor
from alexnet_tf.config import serialization
from alexnet_tf.models import recipes
from alexnet_tf.reports import progress, tables
from alexnet_tf.training import distribution, evaluator
from alexnet_tf.training import state as state_lib
from input_pipeline.records import checking

EXAMPLES = 1_281_167
METRICS = {'loss': 6.91234, 'top1_error': 0.99912, 'top5_error': 0.99512}


@pytest.fixture
def watched(tmp_path):
    """A monitor of a tiny network on as many examples as ImageNet has."""
    inputs = keras.Input((11, 11, 3))
    columns = [keras.layers.Conv2D(2, 11, name=f'conv1_{column}')(inputs) for column in ('a', 'b')]
    manifest = types.SimpleNamespace(
        classes=tuple(map(str, range(1000))),
        count_examples=lambda split: EXAMPLES,
        list_shards=lambda split: [],
        layout=None,
    )
    config = serialization.from_settings({'mode': 'train', 'run_dir': str(tmp_path)})
    return monitor.Monitor(
        config,
        recipes.SOURCE2012,
        model=keras.Model(inputs, columns),
        manifest=manifest,
        stream=types.SimpleNamespace(num_examples=EXAMPLES),
        replicas=distribution.SingleReplica(),
    )


def create_state(examples):
    state = state_lib.TrainingState(epoch=92, step=925_925, examples=examples)
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
        'epoch 93/93  50 %  loss 6.912  accuracy 0.1 %  13 images/s  13:53:23 left\n'
    )


def test_a_validation_shows_progress(watched, monkeypatch, capsys):
    watched.show_validation(128, 50_000)  # something was shown a moment ago
    monkeypatch.setattr(progress.Progress, 'is_due', True)
    watched.show_validation(25_600, 50_000)
    assert capsys.readouterr().err == 'validation  25,600/50,000 images\n'


def test_an_epoch_is_a_line_and_a_row(watched, tmp_path, capsys):
    state = create_state(0)
    validation = METRICS | {'loss': 5.5, 'top1_error': 0.217}
    watched.log_epoch(state, 0.01, train=METRICS, validation=validation, images_per_sec=12345.0)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        'epoch 92/93  validation accuracy 78.3 %, loss 5.500  training accuracy 0.1 %, loss 6.912  '
        '12,345 images/s'
    )
    (row,) = tables.read_csv(tmp_path / 'summary.csv')
    assert list(row) == [
        *('epoch', 'step', 'learning_rate', 'train_loss', 'train_top1_error', 'train_top5_error'),
        *('validation_loss', 'validation_top1_error', 'validation_top5_error', 'images_per_sec'),
    ]
    assert float(row['train_top1_error']) == METRICS['top1_error']


def test_chance_level_is_warned_of_once(watched, monkeypatch, capsys):
    """The commonest of three labels is half of them; a tenth of 93 epochs are ten."""
    monkeypatch.setattr(checking, 'read_labels', lambda *_: np.array([2, 1, 0, 2]))
    warned_after = []
    for epoch in range(1, 93):
        state = state_lib.TrainingState(
            epoch=epoch, step=2 * epoch, validation_errors=[0.5 if epoch < 20 else 0.49]
        )
        watched.log_health(state, 1.0, evaluator.Evaluation({}, {}))
        if capsys.readouterr().out.startswith('train: warning: still at chance level'):
            warned_after.append(epoch)
    assert warned_after == [10]


def test_the_end_names_the_result_and_the_run(watched, tmp_path, capsys):
    state = create_state(0)
    state.end_epoch(0.5, 0.4567)
    watched.log_end(state)
    done, place = capsys.readouterr().out.splitlines()
    assert done.endswith('validation accuracy 54.3 %')
    assert place.endswith(str(tmp_path))


def test_norms_are_euclidean_over_both_columns(watched):
    squares = tf.constant([2.0, 0.5, 15.0, 0.5])  # halves of the sums, by variable
    norms = watched.compute_norms(types.SimpleNamespace(squares=squares))
    weights = [variable.numpy().ravel() for variable in watched._model.trainable_variables]
    weight_norm = np.linalg.norm(np.concatenate(weights))
    assert norms == pytest.approx(
        {'gradient_norm/conv1': 6.0, 'weight_norm/conv1': weight_norm}, rel=1e-5
    )
