"""The column builder: what columns share and what each has of its own."""

import keras
import numpy as np
import pytest

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.layers import on_device


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


def test_channels_are_scaled_whatever_the_image_data_format_of_keras_is():
    images = np.ones((2, 4, 5, 3), np.float32)
    try:
        keras.config.set_image_data_format('channels_first')
        scaled = on_device.Rescaling([1.0, 2.0, 3.0])(images)
    finally:
        keras.config.set_image_data_format('channels_last')
    np.testing.assert_array_equal(scaled, images * [1, 2, 3])
