"""The mean colour, subtracted by a layer."""

import numpy as np
import tensorflow as tf

from alexnet_tf.models.layers import mean_subtraction


def test_each_channel_loses_its_mean():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    layer = mean_subtraction.MeanSubtraction((1.5, 20.0, 255.0))
    expected = images.astype(np.float32) - np.float32([1.5, 20.0, 255.0])
    np.testing.assert_array_equal(layer(images), expected)
    np.testing.assert_array_equal(layer(tf.cast(images, tf.float64)), expected)


def test_by_default_it_is_caffes_mean_of_imagenet_in_rgb():
    layer = mean_subtraction.MeanSubtraction()
    assert layer.mean == (123.0, 117.0, 104.0)
    np.testing.assert_array_equal(layer(np.float32([[[[123, 117, 104]]]])), np.zeros([1, 1, 1, 3]))
