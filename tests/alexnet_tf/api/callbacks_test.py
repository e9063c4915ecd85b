"""`PlateauSchedule` in `fit`, on validation errors that the test dictates."""

import keras
import numpy as np
import pytest

from alexnet_tf.api import callbacks
from alexnet_tf.training import optimizer, schedule

IMAGES, LABELS = np.ones((2, 3), np.float32), np.zeros(2)


class Dictate(keras.callbacks.Callback):
    """Puts values in place of what `fit` logs of an epoch."""

    def __init__(self, values, name):
        super().__init__()
        self._values, self._name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self._name] = self._values[epoch]


def compile_model(rate=0.01):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    model.compile(optimizer.PaperSGD(rate), 'mse', run_eagerly=True)  # nothing to trace
    return model


def fit(model, plateau, values, *, first=0, name='val_error'):
    """Returns the learning rate of each epoch."""
    history = model.fit(
        IMAGES,
        LABELS,
        initial_epoch=first,
        epochs=len(values),
        callbacks=[Dictate(values, name), plateau],
        verbose=0,
    )
    return history.history['learning_rate']


def test_three_plateaus_divide_and_the_fourth_stops():
    values = [0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.71, 0.72, 0.7, 0.7, 0.1]
    plateau = callbacks.PlateauSchedule(patience=2, monitor='val_error')
    rates = fit(compile_model(), plateau, values)
    expected = [1e-2] * 4 + [1e-3] * 3 + [1e-4] * 2 + [1e-5] * 2
    assert rates == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('seed', range(3))
def test_it_is_the_schedule_of_the_command_line(seed):
    errors = np.random.default_rng(seed).uniform(0.3, 0.9, 30).round(1).tolist()
    plateau, rates = callbacks.PlateauSchedule(patience=3, monitor='val_error'), []
    plateau.set_model(compile_model())
    for epoch, error in enumerate(errors):
        plateau.on_epoch_begin(epoch)
        plateau.on_epoch_end(epoch, logs := {'val_error': error})
        rates.append(logs['learning_rate'])
        if plateau.model.stop_training:
            break
    expected = [schedule.plateau(0.01, errors[:epoch], 3) for epoch in range(len(errors))]
    assert rates == [rate for rate in expected if rate is not None]


@pytest.mark.parametrize(
    ('monitor', 'mode'), [('val_accuracy', 'auto'), ('val_auc', 'auto'), ('val_recall', 'max')]
)
def test_an_accuracy_improves_when_it_grows(monitor, mode):
    values = [0.1, 0.2, 0.3, 0.3, 0.4]
    plateau = callbacks.PlateauSchedule(patience=1, monitor=monitor, mode=mode)
    rates = fit(compile_model(), plateau, values, name=monitor)
    assert rates == pytest.approx([1e-2] * 4 + [1e-3])


def test_a_mode_is_one_of_keras():
    with pytest.raises(ValueError, match="mode='larger': expected 'auto', 'min' or 'max'"):
        callbacks.PlateauSchedule(mode='larger')
    with pytest.raises(ValueError, match='patience=0: expected an integer from 1'):
        callbacks.PlateauSchedule(patience=0)  # would divide at each improvement


@pytest.mark.parametrize('is_another_process', [False, True])
def test_fit_resumes_after_the_epochs_that_are_done(is_another_process):
    values = [0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7]
    model = compile_model()
    plateau = callbacks.PlateauSchedule(patience=2, monitor='val_error')
    rates = fit(model, plateau, values[:3])
    if is_another_process:
        model = compile_model(0.5)
        plateau = callbacks.PlateauSchedule(
            patience=2, monitor='val_error', learning_rate=0.01, history=values[:3]
        )
    rates += fit(model, plateau, values, first=3)
    assert rates == pytest.approx([1e-2] * 4 + [1e-3] * 3)


def test_another_model_restarts_the_schedule():
    plateau = callbacks.PlateauSchedule(patience=1, monitor='val_error')
    fit(compile_model(), plateau, [0.5] * 20)
    assert fit(compile_model(0.2), plateau, [0.5] * 3) == pytest.approx([0.2, 0.2, 0.02])


def test_the_same_cell_again_starts_where_it_did():
    plateau, model = callbacks.PlateauSchedule(patience=1, monitor='val_error'), compile_model()
    assert fit(model, plateau, [0.5] * 3) == pytest.approx([1e-2, 1e-2, 1e-3])
    assert fit(model, plateau, [0.5] * 3) == pytest.approx([1e-2, 1e-2, 1e-3])
    model.optimizer.learning_rate = 0.5  # by the user
    assert fit(model, plateau, [0.5]) == pytest.approx([0.5])


def test_it_changes_the_learning_rate_under_loss_scaling():
    model = compile_model()
    scaled = keras.optimizers.LossScaleOptimizer(optimizer.PaperSGD(0.01))
    model.compile(scaled, 'mse', run_eagerly=True)
    plateau = callbacks.PlateauSchedule(patience=1, monitor='val_error')
    assert fit(model, plateau, [0.5] * 3) == pytest.approx([0.01, 0.01, 0.001])
    assert model.optimizer.inner_optimizer.learning_rate.numpy() == 0.001


def test_a_monitor_that_fit_does_not_log_is_an_error():
    with pytest.raises(ValueError, match=r'val_accuracy.*fit logs loss'):
        compile_model().fit(IMAGES, LABELS, callbacks=[callbacks.PlateauSchedule()], verbose=0)


def test_a_history_without_its_learning_rate_is_an_error():
    with pytest.raises(ValueError, match='learning_rate'):
        callbacks.PlateauSchedule(history=[0.5])
