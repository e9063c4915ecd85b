"""The state of a training run."""

import math

import numpy as np
import pytest

from alexnet_tf.training import state as state_lib


def test_metrics_are_averaged_over_the_examples_of_an_epoch():
    state = state_lib.TrainingState()
    assert all(math.isnan(mean) for mean in state.compute_means().values())
    state.add_metrics(np.array([2.0, 1.0, 0.0], np.float32), 4)
    state.add_metrics(np.array([1.0, 0.5, 0.0], np.float32), 2)
    means = {'loss': 10 / 6, 'top1_error': 5 / 6, 'top5_error': 0}
    assert state.compute_means() == pytest.approx(means)
    assert state.counted == 6


def test_the_end_of_an_epoch_keeps_its_errors_and_restarts_the_counts():
    state = state_lib.TrainingState(step=3, examples=10, counted=9, unreadable=1, sums=[1, 2, 3])
    state.end_epoch(0.5, 0.7)
    assert state == state_lib.TrainingState(
        step=3, epoch=1, validation_errors=[0.7], train_error=0.5
    )


def test_a_position_to_pass_over_is_recognised():
    state = state_lib.TrainingState(epoch=1, examples=8, passed_over=[[1, 8]])
    assert state.is_passed_over
    assert state.position == (1, 8)
    state.examples = 0
    assert not state.is_passed_over


def test_a_state_is_validated_at_an_end_whose_error_is_known():
    create = state_lib.TrainingState
    assert not create().is_validated
    assert create(initial_error=0.5).is_validated
    assert create(validation_errors=[0.4]).is_validated
    assert not create(initial_error=0.5, validation_errors=[math.nan]).is_validated
    assert not create(validation_errors=[0.4], examples=3).is_validated


@pytest.mark.parametrize(
    ('initial', 'errors', 'worse'),
    [
        (None, [], 0),
        (0.3, [], 0),
        (0.3, [0.4, 0.35], 2),
        (0.3, [0.4, 0.2, 0.2, 0.25], 2),
        (None, [0.4, math.nan, 0.5, math.nan], 1),
    ],
)
def test_validations_since_the_best_one_are_counted(initial, errors, worse):
    state = state_lib.TrainingState(initial_error=initial, validation_errors=errors)
    assert state.worse_validations == worse
