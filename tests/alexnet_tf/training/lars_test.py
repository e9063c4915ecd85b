"""The update rule of LARS against a NumPy recurrence."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import batch_normalization
from alexnet_tf.training import distribution, lars

RANDOM = np.random.default_rng(0)
TRUST, MOMENTUM, DECAY, RATE = 0.02, 0.9, 0.05, 0.5
WEIGHTS = {'fc6_a': 3, 'fc6_b': 5, 'fc8': 2}  # units by layer
UNSCALED = ('bias', 'gamma', 'beta')
# Variables that share a norm.
GROUPS = (('fc6_a/kernel', 'fc6_b/kernel'), ('fc8/kernel',))


def create_variables():
    """Returns the variables of three layers and a batch normalisation, by their paths."""
    layers = [
        *(keras.layers.Dense(units, name=name) for name, units in WEIGHTS.items()),
        batch_normalization.BatchNormalization(name='fc6_batch_norm_a'),
    ]
    for layer in layers:
        layer.build((None, 4))
    variables = {v.path: v for layer in layers for v in layer.trainable_variables}
    for variable in variables.values():
        variable.assign(np.random.default_rng(len(variable.path)).normal(size=variable.shape))
    return variables


def norm(arrays):
    return np.sqrt(sum(np.sum(np.square(array)) for array in arrays))


class Recurrence:
    """v <- m v + g_t lambda (gradient + beta w), w <- w - v of the paper, in float64."""

    def __init__(self, variables):
        self.weights = {path: np.array(v.numpy(), np.float64) for path, v in variables.items()}
        self.velocities = {path: np.zeros_like(w) for path, w in self.weights.items()}

    def update(self, gradients, rate):
        ratios = dict.fromkeys(self.weights, TRUST)
        for paths in GROUPS:
            w = norm([self.weights[path] for path in paths])
            g = norm([gradients[path] for path in paths])
            ratios |= dict.fromkeys(paths, TRUST * w / (g + DECAY * w))
        for path, w in self.weights.items():
            decay = 0 if path.endswith(UNSCALED) else DECAY
            step = rate * ratios[path] * (gradients[path] + decay * w)
            self.velocities[path] = MOMENTUM * self.velocities[path] + step
            self.weights[path] = w - self.velocities[path]


def create_optimizer(variables, **options):
    settings = {'trust_coefficient': TRUST, 'momentum': MOMENTUM, 'weight_decay': DECAY}
    optimizer = lars.LARS(RATE, **settings, **options)
    optimizer.build(list(variables.values()))
    return optimizer


@pytest.mark.parametrize('replicas', [1, 2])
def test_twenty_steps_across_a_drop_of_the_learning_rate_match_the_recurrence(replicas):
    strategy, devices = ('mirrored', ['/CPU:0', '/CPU:1']) if replicas > 1 else ('none', [])
    replicas = distribution.create_replicas(strategy, devices)
    with replicas.scope():
        variables = create_variables()
        optimizer = create_optimizer(variables)
    expected = Recurrence(variables)

    @tf.function
    def update(gradients):
        def update_replica(_):
            optimizer.update_variables(gradients)
            return tf.constant(0)

        replicas.run(update_replica, tf.zeros(2))

    for number in range(20):
        rate = RATE if number < 10 else RATE / 10
        optimizer.learning_rate = rate
        gradients = {path: RANDOM.normal(size=v.shape) for path, v in variables.items()}
        update([tf.constant(gradient, tf.float32) for gradient in gradients.values()])
        expected.update(gradients, rate)
    for path, variable in variables.items():
        np.testing.assert_allclose(variable.numpy(), expected.weights[path], atol=1e-5)
    names = {velocity.path for velocity in optimizer.velocities}
    assert {'fc6_a_kernel_velocity', 'fc6_batch_norm_a_gamma_velocity'} <= names


@pytest.mark.parametrize('replicas', [1, 2])
def test_steps_of_fit_match_the_recurrence(replicas):
    images, labels = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(4, 2))
    strategy, devices = ('mirrored', ['/CPU:0', '/CPU:1']) if replicas > 1 else ('none', [])
    with distribution.create_replicas(strategy, devices).scope():
        model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, name='fc8')])
        settings = {'trust_coefficient': TRUST, 'weight_decay': DECAY}
        model.compile(lars.LARS(RATE, **settings), 'mse')
    kernel, bias = (np.array(weight, np.float64) for weight in model.get_weights())
    velocities = [0, 0]
    twenty = [np.tile(batch, (20, 1)) for batch in (images, labels)]
    model.fit(*twenty, batch_size=4, shuffle=False, verbose=0)
    for _ in range(20):
        errors = 2 / labels.size * (images @ kernel + bias - labels)
        gradient = images.T @ errors
        ratio = TRUST * norm([kernel]) / (norm([gradient]) + DECAY * norm([kernel]))
        steps = RATE * ratio * (gradient + DECAY * kernel), RATE * TRUST * errors.sum(0)
        velocities = [0.9 * v + step for v, step in zip(velocities, steps, strict=True)]
        kernel, bias = kernel - velocities[0], bias - velocities[1]
    for value, weight in zip(model.get_weights(), (kernel, bias), strict=True):
        np.testing.assert_allclose(value, weight, atol=1e-5)


def test_weights_that_are_all_0_move_and_a_gradient_of_0_only_decays():
    """By hand: a ratio of TRUST without a norm, and of TRUST / DECAY without a gradient."""
    variables = create_variables()
    variables['fc8/kernel'].assign(np.zeros((4, 2)))
    optimizer = create_optimizer(variables)
    before = variables['fc6_a/kernel'].numpy()
    gradients = {path: tf.zeros(v.shape) for path, v in variables.items()}
    optimizer.update_variables((gradients | {'fc8/kernel': tf.ones((4, 2))}).values())
    np.testing.assert_allclose(variables['fc8/kernel'].numpy(), -RATE * TRUST, rtol=1e-6)
    np.testing.assert_allclose(
        variables['fc6_a/kernel'].numpy(), (1 - RATE * TRUST) * before, rtol=1e-6
    )


def test_layers_of_one_name_in_two_models_are_two_layers():
    models = [
        keras.Sequential([keras.Input([1]), keras.layers.Dense(1, name='fc')], name=name)
        for name in ('first', 'second')
    ]
    variables = {v.path: v for model in models for v in model.trainable_variables}
    for path, variable in variables.items():
        variable.assign(np.full(variable.shape, 3 if path.startswith('first') else 5))
    create_optimizer(variables).update_variables([tf.ones(v.shape) for v in variables.values()])
    moved = [3 - models[0].layers[0].kernel.numpy(), 5 - models[1].layers[0].kernel.numpy()]
    np.testing.assert_allclose(np.ravel(moved), [3 * RATE * TRUST, 5 * RATE * TRUST], rtol=1e-5)


def test_its_config_keeps_every_argument():
    optimizer = lars.LARS(3.0, trust_coefficient=0.02, momentum=0.8, layer_decays={'fc8': 2.0})
    saved = keras.optimizers.serialize(optimizer)
    assert saved['registered_name'] == 'alexnet_tf>LARS'
    loaded = keras.optimizers.deserialize(saved)
    expected = {'learning_rate': 3.0, 'trust_coefficient': 0.02, 'momentum': 0.8}
    assert (expected | {'layer_decays': {'fc8': 2.0}}).items() <= loaded.get_config().items()


@pytest.mark.parametrize('coefficient', [0.0, -0.1, float('nan')])
def test_a_trust_coefficient_that_is_not_above_0_is_an_error(coefficient):
    with pytest.raises(ValueError, match='trust_coefficient'):
        lars.LARS(trust_coefficient=coefficient)
