"""The update rule against a NumPy recurrence."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes, topology
from alexnet_tf.models.layers import locally_connected
from alexnet_tf.training import distribution, loss_scale, optimizer, steps

RANDOM = np.random.default_rng(0)


def build(variables, *arguments, **settings):
    sgd = optimizer.PaperSGD(*arguments, **settings)
    sgd.build(variables)
    return sgd


class Recurrence:
    """The two lines of section 5 in float64."""

    def __init__(self, weights):
        self.weights = [np.array(weight, np.float64) for weight in weights]
        self.velocities = [np.zeros_like(weight) for weight in self.weights]

    def update(self, gradients, rates, momentum, decays, nesterov=False):
        for at, (g, e, d) in enumerate(zip(gradients, rates, decays, strict=True)):
            v, w = self.velocities[at], self.weights[at]
            self.velocities[at] = momentum * v - d * e * w - e * g
            # Nesterov's: to where the new velocity leads from here, with the same gradient.
            ahead = momentum * self.velocities[at] - e * (g + d * w)
            self.weights[at] = w + (ahead if nesterov else self.velocities[at])


@pytest.mark.parametrize(
    ('momentum', 'decay', 'nesterov'),
    [(0.9, 0.0005, False), (0.0, 0.1, False), (0.9, 0.0, False), (0.9, 0.1, True)],
)
def test_twenty_steps_across_a_drop_of_the_learning_rate_match_the_recurrence(
    momentum, decay, nesterov
):
    dense = keras.layers.Dense(3, name='fc8')
    dense.build((None, 4))
    variables = [dense.kernel, dense.bias]
    multipliers = {'bias_multiplier': 2.0, 'layer_multipliers': {'fc8': 0.5}}
    settings = {'momentum': momentum, 'weight_decay': decay, 'nesterov': nesterov}
    sgd = build(variables, **settings, **multipliers)
    expected = Recurrence([variable.numpy() for variable in variables])
    update = tf.function(lambda *g: sgd.update_variables(g))
    for number in range(20):
        rate = 0.1 if number < 10 else 0.01
        sgd.learning_rate = rate
        gradients = [RANDOM.normal(size=variable.shape) for variable in variables]
        update(*(tf.constant(gradient, tf.float32) for gradient in gradients))
        expected.update(gradients, [0.5 * rate, rate], momentum, [decay, 0], nesterov)
    for variable, weight in zip(variables, expected.weights, strict=True):
        np.testing.assert_allclose(variable.numpy(), weight, atol=2e-6)


def test_layers_have_their_own_multiples_of_the_decay_and_biases_none():
    local = locally_connected.LocallyConnected2D(2, 3, name='local3_a')
    local.build((None, 4, 4, 3))
    local.bias.assign(tf.ones_like(local.bias))
    dense = keras.layers.Dense(3, name='fc5_a')
    dense.build((None, 4))
    variables = [local.kernel, local.bias, dense.kernel, dense.bias]
    decays = {'local3': 0.5}
    sgd = build(variables, 1.0, momentum=0.0, weight_decay=0.1, layer_decays=decays)
    before = [variable.numpy() for variable in variables]
    sgd.update_variables([tf.zeros(variable.shape) for variable in variables])
    for variable, start, factor in zip(variables, before, (0.95, 1, 0.9, 1), strict=True):
        np.testing.assert_allclose(variable.numpy(), factor * start, rtol=1e-6)


@pytest.mark.parametrize(
    'precision',
    ['float32', *(pytest.param(half, marks=pytest.mark.slow) for half in ('bfloat16', 'float16'))],
)
def test_twenty_steps_of_the_whole_network_match_the_recurrence(precision):
    """Trains one network by `create_training_step`, and another by gradients and the recurrence.

    Weights are float32 whatever the activations are.
    """
    recipe = recipes.PAPER.replace(crop_size=67, dropout=0.0, initial_sd=0.05)
    images = RANDOM.normal(0, 60, (4, 67, 67, 3)).astype(np.float32)
    labels, mask = np.arange(4) % 3, np.ones(4, np.float32)
    trained, other = (
        alexnet.build(recipe, num_classes=3, width=0.05, precision=precision) for _ in range(2)
    )
    sgd = build(trained.trainable_variables, bias_multiplier=2.0)
    scale = loss_scale.LossScale() if precision == 'float16' else None
    train = steps.create_training_step(trained, sgd, scale)

    @tf.function
    def gradients():
        factor = scale.scale.value if scale else 1.0
        losses = steps.compute_cross_entropy(labels, other(images, training=True))
        values = [variable.value for variable in other.trainable_variables]
        return [
            gradient / factor for gradient in tf.gradients(factor * tf.reduce_mean(losses), values)
        ]

    start = other.get_weights()
    expected = Recurrence(start)
    are_biases = [topology.is_bias(variable) for variable in other.trainable_variables]
    for number in range(20):
        rate = 0.01 if number < 10 else 0.001
        sgd.learning_rate = rate
        expected_gradients = [gradient.numpy() for gradient in gradients()]
        train(images, labels, mask)
        rates = [2 * rate if is_bias else rate for is_bias in are_biases]
        decays = [0 if is_bias else 0.0005 for is_bias in are_biases]
        expected.update(expected_gradients, rates, 0.9, decays)
        for variable, weight in zip(other.trainable_variables, expected.weights, strict=True):
            variable.assign(weight.astype(np.float32))
    for value, weight, first in zip(trained.get_weights(), expected.weights, start, strict=True):
        moved = np.abs(weight - first).max()
        np.testing.assert_allclose(value, weight, atol=max(5e-3 * moved, 1e-6))
    assert np.abs(expected.weights[-1] - start[-1]).max() > 1e-3


def test_a_frozen_layer_coasts_to_a_stop():
    dense = keras.layers.Dense(1, use_bias=False, name='conv1_a')
    dense.build((None, 1))
    sgd = build([dense.kernel], 1.0, weight_decay=0.0)
    sgd.update_variables([tf.ones((1, 1))])
    sgd.set_multipliers(layer_multipliers={'conv1': 0.0})
    before = dense.kernel.numpy().item()
    for _ in range(200):
        sgd.update_variables([tf.ones((1, 1))])
    assert dense.kernel.numpy().item() - before == pytest.approx(-0.9 / 0.1, rel=1e-4)


def compile_plain(model, sgd):
    model.compile(sgd, 'mse')


def compile_scaled(model, sgd):
    model.compile(keras.optimizers.LossScaleOptimizer(sgd), 'mse')


def compile_by_xla(model, sgd):
    model.compile(sgd, 'mse', jit_compile=True)


@pytest.mark.parametrize(
    ('compile_model', 'replicas'),
    [(compile_plain, 1), (compile_scaled, 1), (compile_by_xla, 1), (compile_plain, 2)],
    ids=['plain', 'loss scaling', 'XLA', 'two replicas'],
)
def test_twenty_steps_of_fit_match_the_recurrence(compile_model, replicas):
    images, labels = RANDOM.normal(size=(4, 5)), RANDOM.normal(size=(4, 3))
    strategy, devices = ('mirrored', ['/CPU:0', '/CPU:1']) if replicas > 1 else ('none', [])
    with distribution.create_replicas(strategy, devices).scope():
        model = keras.Sequential([keras.Input([5]), keras.layers.Dense(3, name='fc8')])
        sgd = optimizer.PaperSGD(0.1, bias_multiplier=2.0, layer_multipliers={'fc8': 0.5})
        compile_model(model, sgd)
    expected = Recurrence(model.get_weights())
    twenty = [np.tile(batch, (20, 1)) for batch in (images, labels)]
    model.fit(*twenty, batch_size=4, shuffle=False, verbose=0)
    for _ in range(20):
        kernel, bias = expected.weights
        errors = 2 / labels.size * (images @ kernel + bias - labels)
        expected.update([images.T @ errors, errors.sum(0)], [0.05, 0.1], 0.9, [0.0005, 0])
    for value, weight in zip(model.get_weights(), expected.weights, strict=True):
        np.testing.assert_allclose(value, weight, atol=1e-5)


def test_multipliers_change_between_two_fits():
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(3, name='fc8')])
    sgd = optimizer.PaperSGD(0.1, momentum=0.0, weight_decay=None)
    model.compile(sgd, 'mse')
    batch = np.ones((2, 2)), np.ones((2, 3))
    model.fit(*batch, verbose=0)
    before = model.get_weights()
    sgd.set_multipliers(bias_multiplier=0.0)
    model.fit(*batch, verbose=0)
    kernel, bias = model.get_weights()
    assert not np.array_equal(kernel, before[0])
    np.testing.assert_array_equal(bias, before[1])


def test_a_name_with_its_column_counts_for_that_column():
    names = ('fc6_a', 'fc6_b', 'my_head')
    layers = [keras.layers.Dense(1, use_bias=False, name=name) for name in names]
    for layer in layers:
        layer.build((None, 1))
    variables = [layer.kernel for layer in layers]
    multipliers = {'fc6': 2.0, 'fc6_b': 3.0, 'my_head': 5.0}
    sgd = build(variables, 1.0, momentum=0.0, weight_decay=0.0, layer_multipliers=multipliers)
    before = [variable.numpy().item() for variable in variables]
    sgd.update_variables([tf.ones((1, 1))] * 3)
    moved = [old - variable.numpy().item() for old, variable in zip(before, variables, strict=True)]
    assert moved == pytest.approx([2, 3, 5], rel=1e-6)


@pytest.mark.parametrize('argument', ['layer_multipliers', 'layer_decays'])
def test_a_layer_that_is_not_trained_is_an_error(argument):
    dense = keras.layers.Dense(1, name='fc8')
    dense.build((None, 1))
    with pytest.raises(ValueError, match=rf"{argument}.*'fc_8'.*There are fc8\."):
        build(dense.variables, **{argument: {'fc_8': 10.0}})


def test_its_config_keeps_every_argument_and_the_current_learning_rate():
    multiples = {'layer_multipliers': {'fc8': 3.0}, 'layer_decays': {'fc8': 2.0}}
    sgd = optimizer.PaperSGD(0.1, momentum=0.8, weight_decay=0.01, clipnorm=1.0, **multiples)
    sgd.learning_rate = 0.02
    sgd.set_multipliers(bias_multiplier=4.0, layer_multipliers={'fc8': 5.0})
    saved = keras.optimizers.serialize(sgd)
    assert saved['registered_name'] == 'alexnet_tf>PaperSGD'
    loaded = keras.optimizers.deserialize(saved)
    expected = {
        'learning_rate': 0.02,
        'momentum': 0.8,
        'weight_decay': 0.01,
        'bias_multiplier': 4.0,
        'layer_multipliers': {'fc8': 5.0},
        'layer_decays': {'fc8': 2.0},
        'clipnorm': 1.0,
    }
    assert expected.items() <= loaded.get_config().items()


@pytest.mark.parametrize('momentum', [-0.1, 1.1])
def test_a_momentum_out_of_range_is_an_error(momentum):
    with pytest.raises(ValueError, match='momentum'):
        optimizer.PaperSGD(momentum=momentum)
