"""The column builder: what columns share and what each has of its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes


@pytest.mark.parametrize('name', ['paper', 'source2012'])
def test_columns_have_different_initial_weights(name):
    model = alexnet.build(recipes.RECIPES[name], num_classes=10, width=0.1)
    a, b = (model.get_layer(f'conv2_{column}').kernel.numpy() for column in 'ab')
    assert np.abs(a - b).max() > 0.01


def test_a_second_device_for_one_column_is_refused():
    with pytest.raises(ValueError, match='2 devices for 1 column'):
        alexnet.build(recipes.PAPER.replace(columns=1), num_classes=2, devices=('/CPU:0', '/CPU:1'))


def test_a_width_without_filters_is_refused():
    with pytest.raises(ValueError, match=r'width=0\.001 leaves none of 48 filters'):
        alexnet.build(recipes.PAPER, num_classes=2, width=0.001)


def test_a_crop_too_small_for_the_pooling_is_refused():
    with pytest.raises(ValueError, match='crop_size=63'):
        alexnet.build(recipes.PAPER.replace(crop_size=63), num_classes=3, width=1 / 48)


def test_caffes_normalisation_reaches_into_the_other_column():
    """Compares with TensorFlow's op over all feature maps, which does not divide alpha either."""
    recipe = recipes.CAFFE.replace(crop_size=67, lrn_alpha=1e-3)
    model = alexnet.build(recipe, num_classes=3, width=0.125)
    names = ('relu1_a', 'relu1_b', 'norm1_own_a', 'norm1_own_b')
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    images = np.random.default_rng(0).normal(0, 60, (2, 67, 67, 3)).astype(np.float32)
    a, b, *columns = probe(images)
    expected = tf.nn.local_response_normalization(
        tf.concat([a, b], -1), depth_radius=2, bias=1.0, alpha=1e-3, beta=0.75
    )
    np.testing.assert_allclose(tf.concat(columns, -1), expected, rtol=1e-4, atol=1e-6)
    alone = tf.nn.local_response_normalization(a, 2, 1.0, 1e-3, 0.75)
    assert np.abs(alone - columns[0])[..., -1].max() > 1e-4
