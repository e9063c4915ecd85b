"""Warnings about chance level, on losses of real runs; late input; dead ReLUs."""

import threading

import numpy as np
import pytest

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import health, steps

CHANCE = health.Chance(np.log(5), 0.25)


def describe(step=69, loss=1.6, accuracy=0.2, **changes):
    values = {'chance': CHANCE, 'steps_in_all': 40_000, 'initial_sd_middle': 0.03}
    values |= {'dead_units': {'conv1': 0.25, 'fc7': 0.0}} | changes
    return health.describe_chance_level(step, loss, accuracy=accuracy, **values)


def test_chance_is_the_logarithm_of_the_classes_and_the_share_of_the_commonest():
    labels = np.array([3, 0, 3, 1, 3, 3, 2, 3, 3, 3])
    chance = health.Chance.from_labels(labels, 5)
    assert chance.loss == pytest.approx(1.6094379)
    assert chance.accuracy == pytest.approx(0.7)


def test_the_losses_of_real_runs_tell_a_plateau_from_learning():
    """The first epochs of the flowers, whose commonest class is 24.5 % of the images."""
    chance = health.Chance(np.log(5), 0.245)
    paper = [(2.5972, 0.22), (1.6456, 0.3), (1.5967, 0.31), (1.5298, 0.34)]
    assert [chance.is_reached(*pair) for pair in paper] == [True, True, True, False]
    assert not chance.is_reached(1.3884, 0.42)
    assert not chance.is_reached(2.066, 0.535)  # strong augmentation and dropout


def test_a_network_that_predicts_the_commonest_class_is_at_chance_level():
    """Its loss is far below that of equal probabilities: the entropy of 90 % and 10 %."""
    labels = np.repeat([0, 1], [9, 1])
    chance = health.Chance.from_labels(labels, 2)
    assert chance.is_reached(0.325, 0.9)
    assert chance.is_reached(0.325, 0.1)
    assert not chance.is_reached(0.3, 1.0)


@pytest.mark.parametrize(
    ('epoch', 'step', 'epochs', 'is_early'),
    [
        *((2, 46, 30, True), (3, 69, 30, False)),  # three epochs at least
        *((9, 27, 93, True), (10, 30, 93, False)),  # a tenth of the run
        *((0, 1999, 90, True), (0, 2000, 90, False)),  # a long first epoch
    ],
)
def test_a_run_is_judged_after_a_tenth_of_it(epoch, step, epochs, is_early):
    assert health.is_early(epoch, step, epochs) == is_early


def test_the_warning_says_what_was_reached_and_what_chance_gives():
    warning = describe()
    assert 'after 69 steps' in warning
    assert 'accuracy 20.0 % (always the commonest class: 25.0 %)' in warning
    assert 'loss 1.600 (chance: 1.609)' in warning
    assert 'conv1 25 %, fc7 0 %' in warning
    assert 'dead' not in describe(dead_units={})


@pytest.mark.parametrize(
    ('changes', 'cure'),
    [
        ({'dead_units': {'fc6': 0.9}}, 'the learning rate was too high'),
        ({'initial_sd_middle': 0.01}, '--initial_sd_middle=0.03'),
        ({'steps_in_all': 186}, 'only 186 steps. For few images give --recipe=modern'),
        ({}, 'another --learning_rate'),
        ({'initial_sd_middle': None}, 'another --learning_rate'),
    ],
)
def test_the_warning_names_the_cure(changes, cure):
    assert cure in describe(**changes)


@pytest.mark.parametrize(
    ('changes', 'warns'),
    [
        ({}, False),
        ({'epochs': 20}, True),
        ({'epochs': 23}, True),
        ({'epochs': 24}, False),
        ({'epochs': 1}, False),  # as flags/smoke.cfg
        ({'epochs': 20, 'schedule': 'cosine'}, False),
    ],
)
def test_a_learning_rate_that_never_falls_is_named(changes, warns):
    warning = health.describe_late_drops(recipes.SOURCE2012.replace(**changes))
    assert ('stays 0.01 to the end: --drop_epochs=23,51,78' in warning) == warns


def test_a_list_without_drops_is_named_unless_the_recipe_has_none():
    constant = {'schedule': 'list', 'drop_epochs': ()}
    assert '--drop_epochs=, and' in health.describe_late_drops(recipes.MODERN.replace(**constant))
    assert not health.describe_late_drops(recipes.FIGURE1)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'epochs': 60}, ''),
        ({'epochs': 70}, 'still has --colour_shift_epochs=68,'),
        ({'epochs': 70, 'colour_shift_epochs': 0}, ''),
        ({'epochs': 70, 'colour_shift_sd': 0.0}, ''),
        ({'schedule': 'plateau'}, '--layer_rates=conv1=0.1@68,conv1=0@72 and --colour'),
        ({'schedule': 'plateau', 'layer_rates': ()}, 'still has --colour_shift_epochs=68,'),
    ],
)
def test_epochs_of_the_recipe_that_outlive_its_schedule_are_named(changes, named):
    changed = {'layer_rates': ()} | changes if changes.get('epochs') else changes
    note = health.describe_inherited_epochs(recipes.SOURCE2012.replace(**changed))
    assert (named in note) if named else not note


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
    model = alexnet.build(recipes.CIFAR11, num_classes=3, width=0.1)
    units = health.ReluUnits(model)
    number = sum(output.shape[-1] for output in units.outputs)
    shares = units.compute_dead_shares(np.ones(number))
    assert list(shares) == ['conv1', 'conv2', 'local3', 'local4']
