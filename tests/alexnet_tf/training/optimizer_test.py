"""The update rule against a NumPy recurrence."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes, topology
from alexnet_tf.models.layers import locally_connected
from alexnet_tf.training import loss_scale, optimizer, steps

RANDOM = np.random.default_rng(0)


class Recurrence:
    """The paper's two lines in float64."""

    def __init__(self, weights):
        self.weights = [np.array(each, np.float64) for each in weights]
        self.velocities = [np.zeros_like(each) for each in self.weights]

    def update(self, gradients, rates, momentum, decays):
        for at, (g, e, d) in enumerate(zip(gradients, rates, decays, strict=True)):
            v, w = self.velocities[at], self.weights[at]
            self.velocities[at] = momentum * v - d * e * w - e * g
            self.weights[at] = w + self.velocities[at]


@pytest.mark.parametrize(('momentum', 'decay'), [(0.9, 0.0005), (0.0, 0.1), (0.9, 0.0)])
def test_twenty_steps_across_a_rate_drop(momentum, decay):
    dense = keras.layers.Dense(3, name='fc8')
    dense.build((None, 4))
    variables = [dense.kernel, dense.bias]
    sgd = optimizer.PaperSGD(variables, momentum=momentum, decay=decay)
    expected = Recurrence([each.numpy() for each in variables])
    update = tf.function(lambda *g: sgd.apply(g))
    for number in range(20):
        rate = 0.1 if number < 10 else 0.01
        sgd.set_rate(rate, bias_multiplier=2.0, layer_multipliers={'fc8': 0.5, 'conv1': 7.0})
        gradients = [RANDOM.normal(size=each.shape) for each in variables]
        update(*(tf.constant(each, tf.float32) for each in gradients))
        expected.update(gradients, [0.5 * rate, rate], momentum, [decay, 0])
    for variable, weight in zip(variables, expected.weights, strict=True):
        np.testing.assert_allclose(variable.numpy(), weight, atol=2e-6)


def test_layers_decay_by_multiples_of_their_own_and_unshared_biases_not_at_all():
    local = locally_connected.LocallyConnected(2, 3, name='local3_a')
    local.build((None, 4, 4, 3))
    local.bias.assign(tf.ones_like(local.bias))
    dense = keras.layers.Dense(3, name='fc5_a')
    dense.build((None, 4))
    variables = [local.kernel, local.bias, dense.kernel, dense.bias]
    decays = {'local3': 0.5, 'conv1': 9.0}
    sgd = optimizer.PaperSGD(variables, momentum=0.0, decay=0.1, layer_decays=decays)
    sgd.set_rate(1.0)
    before = [each.numpy() for each in variables]
    sgd.apply([tf.zeros(each.shape) for each in variables])
    for variable, was, left in zip(variables, before, (0.95, 1, 0.9, 1), strict=True):
        np.testing.assert_allclose(variable.numpy(), left * was, rtol=1e-6)


@pytest.mark.parametrize(
    'precision',
    ['float32', *(pytest.param(half, marks=pytest.mark.slow) for half in ('bfloat16', 'float16'))],
)
def test_twenty_steps_of_the_whole_network(precision):
    """Twice the same network: one learns by `training_step`, the other by its gradients and the
    recurrence. Weights stay float32 whatever the activations are."""
    numbers = recipes.resolve('paper', crop_size=67, dropout=0.0, initial_sd=0.05)
    images = RANDOM.normal(0, 60, (4, 67, 67, 3)).astype(np.float32)
    labels, mask = np.arange(4) % 3, np.ones(4, np.float32)
    learner, other = (
        alexnet.build(numbers, num_classes=3, width=0.05, precision=precision) for _ in range(2)
    )
    sgd = optimizer.PaperSGD(learner.trainable_variables)
    scale = loss_scale.LossScale() if precision == 'float16' else None
    learn = steps.training_step(learner, sgd, scale)

    @tf.function
    def gradients():
        factor = scale.scale.value if scale else 1.0
        losses = steps.keras_losses(labels, other(images, training=True))
        values = [each.value for each in other.trainable_variables]
        return [each / factor for each in tf.gradients(factor * tf.reduce_mean(losses), values)]

    start = other.get_weights()
    expected = Recurrence(start)
    biases = [topology.is_bias(each) for each in other.trainable_variables]
    for number in range(20):
        rate = 0.01 if number < 10 else 0.001
        sgd.set_rate(rate, bias_multiplier=2.0)
        found = [each.numpy() for each in gradients()]
        learn(images, labels, mask)
        rates = [2 * rate if bias else rate for bias in biases]
        expected.update(found, rates, 0.9, [0 if bias else 0.0005 for bias in biases])
        for variable, weight in zip(other.trainable_variables, expected.weights, strict=True):
            variable.assign(weight.astype(np.float32))
    for value, weight, began in zip(learner.get_weights(), expected.weights, start, strict=True):
        moved = np.abs(weight - began).max()
        np.testing.assert_allclose(value, weight, atol=max(5e-3 * moved, 1e-6))
    assert np.abs(expected.weights[-1] - start[-1]).max() > 1e-3


def test_a_frozen_layer_coasts_to_a_stop():
    dense = keras.layers.Dense(1, use_bias=False, name='conv1_a')
    dense.build((None, 1))
    sgd = optimizer.PaperSGD([dense.kernel], decay=0.0)
    sgd.set_rate(1.0)
    sgd.apply([tf.ones((1, 1))])
    sgd.set_rate(1.0, layer_multipliers={'conv1': 0.0})
    before = dense.kernel.numpy().item()
    for _ in range(200):
        sgd.apply([tf.ones((1, 1))])
    assert dense.kernel.numpy().item() - before == pytest.approx(-0.9 / 0.1, rel=1e-4)
