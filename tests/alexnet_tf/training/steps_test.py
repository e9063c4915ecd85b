"""One step: the same in parts and on copies; what is no number is not learned."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import distribution, loss_scale, optimizer, steps

RANDOM = np.random.default_rng(2)
ROWS, CLASSES = 8, 3
IMAGES = RANDOM.normal(0, 60, (ROWS, 67, 67, 3)).astype(np.float32)
LABELS = np.arange(ROWS) % CLASSES
MASK = np.array([1, 1, 0, 1, 1, 1, 1, 1], np.float32)


def build(copies=None, *, precision='float32', **more):
    numbers = recipes.resolve('source2012', crop_size=67, initial_sd=0.05, colour_shift_sd=0)
    with (copies or distribution.One()).scope():
        model = alexnet.build(numbers, num_classes=CLASSES, width=0.1, precision=precision)
        sgd = optimizer.PaperSGD(model.trainable_variables)
        scale = loss_scale.LossScale() if precision == 'float16' else None
    sgd.set_rate(0.002, bias_multiplier=2.0)
    return model, sgd, steps.training_step(model, sgd, scale, copies=copies, **more)


def learned(copies=None, **more):
    """Metrics of three steps and the weights and velocities after them."""
    model, sgd, learn = build(copies, **more)
    outcomes = [learn(IMAGES, LABELS, MASK, tf.constant(at)) for at in range(3)]
    assert all(each.finite.numpy() for each in outcomes)
    found = [each.metrics.numpy() for each in outcomes] + [
        each.squares.numpy() for each in outcomes
    ]
    return found, [each.numpy() for each in [*model.trainable_variables, *sgd.velocities]]


@pytest.fixture(scope='module')
def plain():
    return learned()


def mirrored():
    return distribution.make('mirrored', ['/CPU:0', '/CPU:1'])


@pytest.mark.parametrize(
    ('copies', 'parts'), [pytest.param(distribution.One, 4, marks=pytest.mark.slow), (mirrored, 2)]
)
def test_parts_and_copies_learn_what_one_does(plain, copies, parts):
    """Dropout included: an example has its mask wherever it is learned from."""
    for value, same in zip(learned(copies(), parts=parts), plain, strict=True):
        for one, other in zip(value, same, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6)
    start = build()[0].get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(plain[1], start, strict=False)) > 1e-3


def test_the_number_of_the_step_decides_the_masks():
    _, sgd, learn = build()
    sgd.set_rate(0.0)
    first, other, again = (
        learn(IMAGES, LABELS, MASK, tf.constant(at)).metrics.numpy() for at in (5, 6, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert other[0] != first[0]


@pytest.mark.parametrize(
    'precision', ['float32', pytest.param('bfloat16', marks=pytest.mark.slow), 'float16']
)
def test_what_is_no_number_is_not_learned(precision):
    model, sgd, learn = build(precision=precision)
    assert learn(IMAGES, LABELS, MASK).finite.numpy()
    variables = [*model.trainable_variables, *sgd.velocities]
    for bad in (np.nan, np.inf):
        before = [each.numpy() for each in variables]
        images = IMAGES.copy()
        images[3, 30, 30, 1] = bad
        assert not learn(images, LABELS, MASK).finite.numpy()
        for variable, value in zip(variables, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)
        assert learn(IMAGES, LABELS, MASK).finite.numpy()


def test_squares_are_those_of_the_gradients():
    model, sgd, learn = build()
    sgd.set_rate(0.0)
    squares = learn(IMAGES, LABELS, MASK).squares.numpy()
    sgd.set_rate(1.0)
    for each in sgd.velocities:
        each.assign(tf.zeros(each.shape))
    decayed = [each.numpy() for each in model.trainable_variables]
    learn(IMAGES, LABELS, MASK)
    for velocity, weight, square in zip(sgd.velocities, decayed, squares, strict=True):
        gradient = velocity.numpy() + (0.0005 * weight if weight.ndim > 1 else 0)
        np.testing.assert_allclose(square, (gradient**2).sum() / 2, rtol=1e-3)


def test_ties_count_in_parts():
    """Top-1: one over the number tied; top-5: places left over the number tied."""
    scores = np.array(
        [
            [9, 9, 9, 0, 0, 0, 0],  # three share the first place
            [1, 2, 3, 4, 4, 4, 5],  # three share places 2 to 4
            [7, 6, 5, 4, 1, 1, 1],  # three share place 5
            [0, 0, 0, 0, 0, 0, 0],  # nothing was learned: chance
            [np.nan] * 7,
        ],
        np.float32,
    )
    labels = np.array([1, 4, 5, 2, 3])
    top1, top5 = (each.numpy() for each in steps.errors(labels, tf.constant(scores)))
    np.testing.assert_allclose(top1, [2 / 3, 1, 1, 6 / 7, 1], atol=1e-6)
    np.testing.assert_allclose(top5, [0, 0, 2 / 3, 2 / 7, 1], atol=1e-6)


def test_five_of_three_classes_hold_them_all():
    scores = tf.constant([[1.0, 2.0, 3.0]])
    top1, top5 = steps.errors(np.array([0]), scores)
    assert (top1.numpy()[0], top5.numpy()[0]) == (1, 0)
