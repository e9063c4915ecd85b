"""Callbacks for Keras' `fit`."""

import math
from collections.abc import Sequence

import keras

from alexnet_tf.api import settings
from alexnet_tf.training import schedule

_GROWING = ('acc', 'auc')  # in names of metrics that are better when larger


class PlateauSchedule(keras.callbacks.Callback):
    """Divides the learning rate by 10 when the validation error stops improving.

    The paper's heuristic (section 5): the learning rate is divided three times, and the plateau
    after that ends training. An epoch improves if its error is lower than in all earlier epochs; a
    plateau is `patience` epochs in a row without improvement. The count restarts after each
    division.

    `fit(initial_epoch=n)` resumes after the first n epochs that this callback has seen. Without
    `initial_epoch` the schedule restarts at its initial learning rate.

    Args:
        patience: Epochs in a row without improvement that make a plateau.
        monitor: The validation metric to watch, by its name in the logs of `fit`.
        mode: 'max' if larger values of `monitor` are better, 'min' if smaller ones are; 'auto'
            chooses 'max' if its name contains 'acc' or 'auc', else 'min'.
        learning_rate: The initial learning rate; by default the optimizer's in the first epoch.
        history: Values of `monitor` in the epochs before `initial_epoch`, oldest first, to resume
            in another process; requires `learning_rate`.

    Raises:
        ValueError: `patience` is no integer from 1, `history` is given without `learning_rate`, or
            `mode` is unknown; or, in `fit`, an epoch logs no `monitor`: there is no validation data
            or no such metric, or `validation_freq` is not 1.

    Example:
    >>> images, labels = keras.ops.ones([8, 4]), keras.ops.zeros([8])
    >>> model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, activation='softmax')])
    >>> model.compile('sgd', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    >>> history = model.fit(
    ...     images,
    ...     labels,
    ...     epochs=90,
    ...     validation_data=(images, labels),
    ...     callbacks=[PlateauSchedule(patience=1)],
    ...     verbose=0,
    ... )
    >>> [round(value, 5) for value in history.history['learning_rate'][-4:]]
    [0.01, 0.001, 0.0001, 1e-05]
    """

    def __init__(
        self,
        *,
        patience: int = 5,
        monitor: str = 'val_accuracy',
        mode: str = 'auto',
        learning_rate: float | None = None,
        history: Sequence[float] = (),
    ):
        super().__init__()
        if history and learning_rate is None:
            raise ValueError('history needs the learning_rate at its start.')
        if mode not in ('auto', 'min', 'max'):
            raise ValueError(f"mode={mode!r}: expected 'auto', 'min' or 'max'.")
        self.patience, self.monitor = settings.check_count('patience', patience), monitor
        grows = mode == 'max' or (mode == 'auto' and any(name in monitor for name in _GROWING))
        self._sign = -1.0 if grows else 1.0
        self._start, self._learning_rate = learning_rate, learning_rate
        self._errors = [self._compute_error(value) for value in history]
        self._last: tuple[object, float] = (None, math.nan)  # optimizer, learning rate set there

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Sets the learning rate."""
        del self._errors[epoch:]
        optimizer = self.model.optimizer
        if not self._errors:
            current = _read_learning_rate(optimizer)
            is_ours = self._last[0] is optimizer and math.isclose(self._last[1], current)
            if self._start is None and not is_ours:  # else the initial learning rate stays
                self._learning_rate = current
        learning_rate = self._compute_learning_rate()
        if learning_rate is not None:
            optimizer.learning_rate = learning_rate
            self._last = optimizer, _read_learning_rate(optimizer)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Notes the error, and stops training if the schedule is over."""
        logs = {} if logs is None else logs
        if self.monitor not in logs:
            raise ValueError(
                f'monitor={self.monitor!r}: fit logs {", ".join(sorted(logs))}. Give fit '
                "validation_data and compile metrics=['accuracy'], or name another."
            )
        logs['learning_rate'] = _read_learning_rate(self.model.optimizer)
        self._errors.append(self._compute_error(logs[self.monitor]))
        if self._compute_learning_rate() is None:
            self.model.stop_training = True

    def _compute_error(self, value: float) -> float:
        return self._sign * float(value)

    def _compute_learning_rate(self) -> float | None:
        return schedule.plateau(self._learning_rate, self._errors, self.patience)


def _read_learning_rate(optimizer) -> float:
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
