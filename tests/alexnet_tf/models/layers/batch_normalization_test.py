"""Batch normalisation against its definition in NumPy, and what it keeps for inference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import batch_normalization
from alexnet_tf.training import distribution

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(3, 5, (4, 3, 2, 6)).astype(np.float32)


def create(**options):
    layer = batch_normalization.BatchNormalization(epsilon=0.01, **options)
    layer.build(IMAGES.shape)
    layer.gamma.assign(RANDOM.uniform(0.5, 2, 6))
    layer.beta.assign(RANDOM.normal(0, 1, 6))
    return layer


@pytest.mark.parametrize('inputs', [IMAGES, IMAGES[:, 0, 0]], ids=['images', 'vectors'])
def test_training_normalises_by_the_batch(inputs):
    layer = create()
    axes = tuple(range(inputs.ndim - 1))
    mean, variance = inputs.mean(axes), inputs.var(axes)
    expected = (inputs - mean) / np.sqrt(variance + 0.01) * layer.gamma.numpy() + layer.beta.numpy()
    np.testing.assert_allclose(layer(inputs, training=True), expected, atol=1e-5)


def test_inference_normalises_by_the_moving_averages():
    layer = create(momentum=0.75)
    layer(IMAGES, training=True)
    mean = 0.25 * IMAGES.mean((0, 1, 2))
    variance = 0.75 + 0.25 * IMAGES.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)
    expected = (IMAGES - mean) / np.sqrt(variance + 0.01) * layer.gamma.numpy()
    expected += layer.beta.numpy()
    np.testing.assert_allclose(layer(IMAGES), expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)  # unchanged


def test_what_overflows_is_not_kept():
    layer = create()
    layer(IMAGES, training=True)
    before = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    layer(np.where(IMAGES > 5, np.inf, IMAGES), training=True)
    for kept, old in zip((layer.moving_mean, layer.moving_variance), before, strict=True):
        np.testing.assert_array_equal(kept.numpy(), old)


def test_a_frozen_layer_is_in_inference_as_that_of_keras_is():
    layer = create()
    expected = layer(IMAGES).numpy()
    layer.trainable = False
    np.testing.assert_array_equal(layer(IMAGES, training=True), expected)
    assert not layer.moving_mean.numpy().any()


def test_replicas_normalise_their_shares_and_average_what_they_keep():
    replicas = distribution.create_replicas('mirrored', ['/CPU:0', '/CPU:1'])
    with replicas.scope():
        layer = batch_normalization.BatchNormalization(momentum=0.0)
        layer.build(IMAGES.shape)

    @tf.function(autograph=False)
    def train(images):
        return replicas.run(lambda share: tf.reduce_sum(layer(share, training=True)), images)

    train(tf.constant(IMAGES))
    means = [IMAGES[:2].mean((0, 1, 2)), IMAGES[2:].mean((0, 1, 2))]
    np.testing.assert_allclose(layer.moving_mean.numpy(), np.mean(means, 0), rtol=1e-5)


def test_its_scale_and_offset_are_trained_in_float32_and_its_averages_are_not():
    layer = create(dtype='mixed_bfloat16')
    assert [variable.name for variable in layer.trainable_variables] == ['gamma', 'beta']
    assert {variable.dtype for variable in layer.variables} == {'float32'}
    outputs = layer(keras.ops.cast(IMAGES, 'bfloat16'), training=True)
    assert outputs.dtype == tf.bfloat16


def test_by_default_a_batch_moves_the_averages_by_a_tenth():
    layer = create()
    layer(IMAGES, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * IMAGES.mean((0, 1, 2)), rtol=1e-4)
