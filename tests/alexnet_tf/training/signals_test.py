"""The warning of the plateau, on the losses that the flowers' first epochs really had."""

import signal
import time

import pytest

from alexnet_tf.training import distribution, signals


def warning(*arguments, dead_units=None, **more):
    dead_units = {'conv1': 0.25, 'fc7': 0.0} if dead_units is None else dead_units
    return signals.chance_warning(*arguments, dead_units=dead_units, **more)


def test_the_papers_start_is_warned_of_its_plateau_and_its_cure():
    losses = [2.5972, 1.6456, 1.5967, 1.5298]
    said = [
        warning(epoch, 23 * epoch, loss, 5, initial_sd_middle=0.01)
        for epoch, loss in enumerate(losses, 1)
    ]
    assert [bool(each) for each in said] == [False, False, True, False]
    assert '--initial_sd_middle=0.03' in said[2]
    assert 'after 69 steps' in said[2]


def test_the_sources_start_is_not():
    for epoch, loss in enumerate([2.8295, 1.6136, 1.3884], 1):
        assert warning(epoch, 23 * epoch, loss, 5, initial_sd_middle=0.03) is None


def test_who_has_the_cure_already_is_told_of_other_causes():
    said = warning(4, 40_000, 7.0, 1000, initial_sd_middle=0.03)
    assert '--learning_rate' in said
    assert 'initial_sd_middle' not in said


def test_dead_units_are_shown_and_blamed_where_they_are_many():
    said = warning(4, 400, 7.0, 1000, initial_sd_middle=0.01)
    assert 'conv1 25 %, fc7 0 %' in said
    said = warning(4, 400, 7.0, 1000, initial_sd_middle=0.01, dead_units={'fc6': 0.9})
    assert 'the learning rate was too high' in said
    assert 'wakes' not in warning(4, 400, 7.0, 1000, initial_sd_middle=0.01, dead_units={})


def test_a_long_first_epoch_is_warned_of_too():
    assert warning(0, 2000, 6.9, 1000, initial_sd_middle=0.03)
    assert warning(0, 1999, 6.9, 1000, initial_sd_middle=0.03) is None


class TwoWorkers(distribution.One):
    """The other one was asked to stop, or not."""

    workers = 2

    def __init__(self, others):
        self._others = others

    def total(self, values):
        return [a + b for a, b in zip(values, self._others, strict=True)]


@pytest.mark.parametrize(
    ('own', 'others', 'number'),
    [
        (None, (0, 0), None),
        (None, (0, 1), signal.SIGTERM),
        (signal.SIGTERM, (0, 1), signal.SIGTERM),
        (signal.SIGINT, (0, 0), signal.SIGINT),
        (signal.SIGTERM, (1, 0), signal.SIGINT),
    ],
)
def test_workers_agree_on_a_signal(own, others, number):
    stop = signals.StopRequest()
    stop.number = own
    assert signals.agreed(TwoWorkers(others), stop) == number


def test_long_waiting_is_told_of_once(monkeypatch):
    said = []
    monkeypatch.setattr(signals, '_PATIENT_SECS', 0.05)
    with signals.patience(said.append):
        pass
    with signals.patience(said.append):
        time.sleep(0.3)
    assert len(said) == 1
    assert '--cache=disk' in said[0]
    with signals.patience(said.append, 'grpc://far:1'):
        time.sleep(0.3)
    assert '--data_service=grpc://far:1' in said[1]
