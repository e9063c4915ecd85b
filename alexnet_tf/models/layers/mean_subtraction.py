"""The network's preprocessing: the mean colour is subtracted (section 2 of the paper)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from alexnet_tf.models.layers import on_device

# RGB. The mean colour of ILSVRC-2012's training images that Caffe's networks, whose weights are
# public, subtract. Images with a shorter side resized to 256 pixels have another mean: in the
# author's program of 2014 it is (127.23, 118.59, 103.45) over the central 224x224 pixels.
IMAGENET_MEAN = (123.0, 117.0, 104.0)


@on_device.place
class MeanSubtraction(keras.layers.Layer):
    """Subtracts the mean colour of the training images from RGB images.

    Paper: it subtracts the mean image. With a scalar mean, the 2012 source's network #136 was no
    better.

    Args:
        mean: The means of red, green and blue, in [0, 255].

    Input shape: (batch, rows, columns, 3), RGB, 0 to 255, any dtype.
    Output shape: As the input, in the layer's dtype.

    Example:
    >>> MeanSubtraction()(tf.constant([[[[255, 117, 0]]]], tf.uint8)).numpy()
    array([[[[ 132.,    0., -104.]]]], dtype=float32)
    """

    def __init__(self, mean: Sequence[float] = IMAGENET_MEAN, **kwargs):
        super().__init__(**kwargs)
        self.mean = tuple(float(value) for value in mean)

    def call(self, inputs):
        """Subtracts the mean of each channel."""
        return tf.cast(inputs, self.compute_dtype) - tf.constant(self.mean, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {'mean': self.mean}


@on_device.place
class MeanImageSubtraction(keras.layers.Layer):
    """Subtracts a mean image from RGB images, as the paper does.

    The mean image is a weight, `mean_image`, which is not trained; it starts as zeros.

    Input shape: (batch, rows, columns, 3), RGB, 0 to 255, any dtype.
    Output shape: As the input, in the layer's dtype.

    Example:
    >>> layer = MeanImageSubtraction()
    >>> layer.build((None, 1, 1, 3))
    >>> layer.set_weights([tf.constant([[[123.0, 117.0, 104.0]]])])
    >>> layer(tf.constant([[[[255, 117, 0]]]], tf.uint8)).numpy()
    array([[[[ 132.,    0., -104.]]]], dtype=float32)
    """

    def build(self, input_shape):
        """Creates the mean image, of the size of the images."""
        self.mean_image = self.add_weight(
            shape=input_shape[1:], initializer='zeros', trainable=False, name='mean_image'
        )

    def call(self, inputs):
        """Subtracts the mean image."""
        return tf.cast(inputs, self.compute_dtype) - tf.cast(self.mean_image, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape
