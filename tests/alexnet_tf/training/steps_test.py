"""One step: the same in parts and on replicas; non-finite gradients change no weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import distribution, loss_scale, optimizer, steps, targets

RANDOM = np.random.default_rng(2)
ROWS, CLASSES = 8, 3
IMAGES = RANDOM.normal(0, 60, (ROWS, 67, 67, 3)).astype(np.float32)
LABELS = np.arange(ROWS) % CLASSES
STEP = tf.constant(0)
MASK = np.array([1, 1, 0, 1, 1, 1, 1, 1], np.float32)


def build(replicas=None, *, precision='float32', **more):
    recipe = recipes.SOURCE2012.replace(
        crop_size=67, columns=1, normalization=False, initial_sd=0.05, colour_shift_sd=0
    )
    with (replicas or distribution.SingleReplica()).scope():
        model = alexnet.build(recipe, num_classes=CLASSES, width=0.1, precision=precision)
        sgd = optimizer.PaperSGD(0.002, bias_multiplier=2.0)
        sgd.build(model.trainable_variables)
        scale = loss_scale.LossScale() if precision == 'float16' else None
    return model, sgd, steps.create_training_step(model, sgd, scale, replicas=replicas, **more)


@pytest.fixture(scope='module')
def built():
    """One network of one replica with its step, traced once for all tests."""
    model, sgd, train = build()
    return model, sgd, train, model.get_weights()


@pytest.fixture
def plain(built):
    """Resets the network to what it was when it was built."""
    model, sgd, train, start = built
    model.set_weights(start)
    sgd.learning_rate = 0.002
    sgd.set_multipliers(bias_multiplier=2.0)
    for velocity in sgd.velocities:
        velocity.assign(tf.zeros(velocity.shape))
    return model, sgd, train


def train_three_steps(model, sgd, train):
    """Returns results of three steps, and the weights and velocities after them."""
    results = [train(IMAGES, LABELS, MASK, tf.constant(step)) for step in range(3)]
    assert all(result.finite.numpy() for result in results)
    values = [result.metrics.numpy() for result in results]
    values += [result.squares.numpy() for result in results]
    return values, [variable.numpy() for variable in [*model.trainable_variables, *sgd.velocities]]


def mirrored():
    return distribution.create_replicas('mirrored', ['/CPU:0', '/CPU:1'])


@pytest.mark.parametrize(
    ('replicas', 'parts'),
    [pytest.param(distribution.SingleReplica, 4, marks=pytest.mark.slow), (mirrored, 2)],
)
def test_parts_and_replicas_train_as_one_does(plain, replicas, parts):
    """Dropout included: the mask of an example does not depend on where it is computed."""
    start = plain[0].get_weights()
    expected = train_three_steps(*plain)
    actual = train_three_steps(*build(replicas(), accumulate_steps=parts))
    for values, same in zip(actual, expected, strict=True):
        for one, other in zip(values, same, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(expected[1], start, strict=False)) > 1e-3


def test_the_number_of_the_step_decides_the_dropout_masks(plain):
    _, sgd, train = plain
    sgd.learning_rate = 0.0
    first, other, again = (
        train(IMAGES, LABELS, MASK, tf.constant(step)).metrics.numpy() for step in (5, 6, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert other[0] != first[0]


@pytest.mark.parametrize(
    'precision', ['float32', pytest.param('bfloat16', marks=pytest.mark.slow), 'float16']
)
def test_non_finite_gradients_change_no_weight(plain, precision):
    model, sgd, train = plain if precision == 'float32' else build(precision=precision)
    assert train(IMAGES, LABELS, MASK, STEP).finite.numpy()
    variables = [*model.trainable_variables, *sgd.velocities]
    for bad in (np.nan, np.inf):
        before = [variable.numpy() for variable in variables]
        images = IMAGES.copy()
        images[3, 30, 30, 1] = bad
        assert not train(images, LABELS, MASK, STEP).finite.numpy()
        for variable, value in zip(variables, before, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)
        assert train(IMAGES, LABELS, MASK, STEP).finite.numpy()


def test_the_step_follows_the_smoothed_loss_and_reports_the_plain_one(plain):
    smoothed = build(targets=targets.Targets(label_smoothing=0.3))
    rows = []
    for _, sgd, train in (plain, smoothed):
        sgd.learning_rate = 0.0
        result = train(IMAGES, LABELS, MASK, STEP)
        rows.append((result.metrics.numpy(), result.squares.numpy()))
    np.testing.assert_array_equal(rows[0][0], rows[1][0])
    assert np.all(rows[0][1] != rows[1][1])


def test_the_squares_are_those_of_the_gradients(plain):
    model, sgd, train = plain
    sgd.learning_rate = 0.0
    squares = train(IMAGES, LABELS, MASK, STEP).squares.numpy()
    sgd.learning_rate = 1.0
    sgd.set_multipliers()
    for velocity in sgd.velocities:
        velocity.assign(tf.zeros(velocity.shape))
    weights = [variable.numpy() for variable in model.trainable_variables]
    train(IMAGES, LABELS, MASK, STEP)
    for velocity, weight, square in zip(sgd.velocities, weights, squares, strict=True):
        gradient = velocity.numpy() + (0.0005 * weight if weight.ndim > 1 else 0)
        np.testing.assert_allclose(square, (gradient**2).sum() / 2, rtol=1e-3)


def test_tied_classes_share_their_places():
    """Top-1: one over the number tied. Top-5: places left over the number tied."""
    scores = np.array(
        [
            [9, 9, 9, 0, 0, 0, 0],  # three share the first place
            [1, 2, 3, 4, 4, 4, 5],  # three share places 2 to 4
            [7, 6, 5, 4, 1, 1, 1],  # three share place 5
            [0, 0, 0, 0, 0, 0, 0],  # all tied: chance level
            [np.nan] * 7,
        ],
        np.float32,
    )
    labels = np.array([1, 4, 5, 2, 3])
    top1, top5 = (
        error.numpy() for error in steps.compute_top_k_errors(labels, tf.constant(scores))
    )
    np.testing.assert_allclose(top1, [2 / 3, 1, 1, 6 / 7, 1], atol=1e-6)
    np.testing.assert_allclose(top5, [0, 0, 2 / 3, 2 / 7, 1], atol=1e-6)


def test_the_top_5_of_three_classes_contain_all_of_them():
    scores = tf.constant([[1.0, 2.0, 3.0]])
    top1, top5 = steps.compute_top_k_errors(np.array([0]), scores)
    assert (top1.numpy()[0], top5.numpy()[0]) == (1, 0)


def test_a_step_follows_mixed_weighted_and_smoothed_targets_of_the_examples_that_count():
    weights = np.array([0.5, 2.0, 1.5])
    wanted = targets.Targets(0.2, cutmix=1.0, seed=3, class_weights=tuple(weights))
    images = np.random.default_rng(5).normal(size=(ROWS, 12, 12, 3)).astype(np.float32)
    mixtures = ((n, wanted.mix(tf.constant(images), tf.constant(n))) for n in range(50))
    step, (mixed, own) = next((n, m) for n, m in mixtures if 0.2 < float(m[1]) < 0.8)
    inputs = keras.Input((12, 12, 3))
    outputs = keras.layers.Dense(CLASSES, name='fc8')(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    sgd = optimizer.PaperSGD(1.0, momentum=0.0, weight_decay=None)
    sgd.build(model.trainable_variables)
    kernel, bias = model.get_weights()
    steps.create_training_step(model, sgd, targets=wanted)(images, LABELS, MASK, tf.constant(step))
    x, aims = mixed.numpy().reshape(ROWS, -1), 0.0
    for share, labels in ((float(own), LABELS), (1 - float(own), LABELS[::-1])):
        smoothed = 0.8 * np.eye(CLASSES)[labels] + 0.2 / CLASSES
        aims += share * weights[labels][:, None] * smoothed
    powers = np.exp(x @ kernel + bias)
    probabilities = powers / powers.sum(1, keepdims=True)
    differences = aims.sum(1, keepdims=True) * probabilities - aims
    differences *= MASK[:, None] / MASK.sum()
    np.testing.assert_allclose(model.get_weights()[0], kernel - x.T @ differences, atol=1e-4)
    np.testing.assert_allclose(model.get_weights()[1], bias - differences.sum(0), atol=1e-4)
