"""Warnings about chance level, on losses of real runs; late input; dead ReLUs."""

import threading

import numpy as np
import pytest

from alexnet_tf.models import alexnet, cifar, recipes
from alexnet_tf.training import health, steps


def warn(*arguments, dead_units=None, **more):
    dead_units = {'conv1': 0.25, 'fc7': 0.0} if dead_units is None else dead_units
    return health.chance_level_warning(*arguments, dead_units=dead_units, **more)


def test_the_papers_initial_weights_give_a_warning_that_names_better_ones():
    losses = [2.5972, 1.6456, 1.5967, 1.5298]  # the first epochs of the flowers
    warnings = [
        warn(epoch, 23 * epoch, loss, 5, initial_sd_middle=0.01)
        for epoch, loss in enumerate(losses, 1)
    ]
    assert [bool(warning) for warning in warnings] == [False, False, True, False]
    assert '--initial_sd_middle=0.03' in warnings[2]
    assert 'after 69 steps' in warnings[2]


def test_the_initial_weights_of_the_source_give_no_warning():
    for epoch, loss in enumerate([2.8295, 1.6136, 1.3884], 1):
        assert warn(epoch, 23 * epoch, loss, 5, initial_sd_middle=0.03) is None


def test_with_good_initial_weights_the_warning_names_other_causes():
    warning = warn(4, 40_000, 7.0, 1000, initial_sd_middle=0.03)
    assert '--learning_rate' in warning
    assert 'initial_sd_middle' not in warning


def test_dead_units_are_listed_and_blamed_if_they_are_many():
    warning = warn(4, 400, 7.0, 1000, initial_sd_middle=0.01)
    assert 'conv1 25 %, fc7 0 %' in warning
    warning = warn(4, 400, 7.0, 1000, initial_sd_middle=0.01, dead_units={'fc6': 0.9})
    assert 'the learning rate was too high' in warning
    assert 'dead' not in warn(4, 400, 7.0, 1000, initial_sd_middle=0.01, dead_units={})


def test_a_long_first_epoch_gives_a_warning_too():
    assert warn(0, 2000, 6.9, 1000, initial_sd_middle=0.03)
    assert warn(0, 1999, 6.9, 1000, initial_sd_middle=0.03) is None


def test_late_input_gives_one_warning_that_names_what_to_do():
    warnings, was_logged = [], threading.Event()

    def log(warning):
        warnings.append(warning)
        was_logged.set()

    with health.warn_if_input_is_late(log):
        pass
    with health.warn_if_input_is_late(log, patience_secs=0.01):
        assert was_logged.wait(60)
    assert len(warnings) == 1
    assert '--cache=disk' in warnings[0]
    was_logged.clear()
    with health.warn_if_input_is_late(log, 'grpc://far:1', patience_secs=0.01):
        assert was_logged.wait(60)
    assert '--data_service=grpc://far:1' in warnings[1]


@pytest.fixture(scope='module')
def model():
    return alexnet.build(recipes.PAPER.replace(crop_size=67), num_classes=3, width=0.1)


def test_units_with_biases_far_below_their_inputs_are_dead(model):
    """Half of conv5_a and of fc7_b."""
    for name in ('conv5_a', 'fc7_b'):
        bias = model.get_layer(name).bias
        low = np.where(np.arange(len(bias.numpy())) < len(bias.numpy()) // 2, -1e6, 1.0)
        bias.assign(low)
    units = health.ReluUnits(model)
    evaluate = steps.create_evaluation_step(model, lambda images: images, 1, units.outputs)
    views = np.random.default_rng(0).normal(0, 60, (4, 67, 67, 3)).astype(np.float32)
    _, _, active = evaluate(views, np.zeros(4, np.int64), np.ones(4, np.float32))
    shares = units.compute_dead_shares(active.numpy())
    assert list(shares) == ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7']
    conv5 = len(model.get_layer('conv5_a').bias.numpy())
    assert shares['conv5'] == pytest.approx(conv5 // 2 / (2 * conv5))
    assert shares['fc7'] == pytest.approx(0.25, abs=0.01)
    assert shares['conv2'] == shares['fc6'] == 0


def test_units_of_other_activations_are_not_watched():
    tanh = alexnet.build(
        recipes.PAPER.replace(crop_size=67, activation='tanh'), num_classes=3, width=0.1
    )
    units = health.ReluUnits(tanh)
    assert units.outputs == []
    assert units.compute_dead_shares([]) == {}


def test_the_units_of_a_small_network_have_its_layer_names():
    model = cifar.build(recipes.CIFAR11, num_classes=3, width=0.1)
    units = health.ReluUnits(model)
    number = sum(output.shape[-1] for output in units.outputs)
    shares = units.compute_dead_shares(np.ones(number))
    assert list(shares) == ['conv1', 'conv2', 'local3', 'local4']
