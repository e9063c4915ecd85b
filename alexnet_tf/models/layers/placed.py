"""Layers that live on a device: their variables, their forward pass and, with it, their gradients.

A device scope around the call of a Keras layer is forgotten when the functional graph is built,
so the scope is entered where it counts: inside `build` and inside `call`. Gradients follow
through `tf.gradients`, which colocates each with the operation that it belongs to.
"""

import contextlib

import keras
import tensorflow as tf


class Placed:
    """Puts a Keras layer on a device. Comes first among the base classes.

    Args:
        device: As '/GPU:1'; None leaves the layer where TensorFlow puts it.
    """

    def __init__(self, *args, device: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.device = device

    def build(self, input_shape):
        with scope(self.device):
            super().build(input_shape)

    def call(self, inputs):
        with scope(self.device):
            return super().call(inputs)

    def get_config(self):
        return super().get_config() | {'device': self.device}


def scope(device: str | None):
    """The device scope, or no scope at all."""
    return tf.device(device) if device else contextlib.nullcontext()


@keras.saving.register_keras_serializable('alexnet_tf')
class Convolution(Placed, keras.layers.Conv2D):
    """An ungrouped convolution on one column's device."""


@keras.saving.register_keras_serializable('alexnet_tf')
class FarPadding(Placed, keras.layers.ZeroPadding2D):
    """Zeros past the right and bottom edge: after mean subtraction, the mean colour."""


@keras.saving.register_keras_serializable('alexnet_tf')
class Pooling(Placed, keras.layers.MaxPooling2D):
    """Max pooling on one column's device."""


@keras.saving.register_keras_serializable('alexnet_tf')
class AveragePooling(Placed, keras.layers.AveragePooling2D):
    """Average pooling; a window that ends past the edge averages what is there."""


@keras.saving.register_keras_serializable('alexnet_tf')
class Relu(Placed, keras.layers.ReLU):
    """max(x, 0) on one column's device."""


@keras.saving.register_keras_serializable('alexnet_tf')
class Tanh(Placed, keras.layers.Layer):
    """tanh(x) on one column's device."""

    def call(self, inputs):
        with scope(self.device):
            return tf.tanh(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable('alexnet_tf')
class Join(Placed, keras.layers.Concatenate):
    """Both columns' outputs side by side, a then b, on the device that reads them."""


@keras.saving.register_keras_serializable('alexnet_tf')
class Maps(Placed, keras.layers.Layer):
    """Maps `start` to `stop` of (batch, rows, columns, maps), as a slice takes them."""

    def __init__(self, start: int, stop: int, **kwargs):
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, inputs):
        with scope(self.device):
            return inputs[..., self.start : self.stop]

    def compute_output_shape(self, input_shape):
        taken = range(*slice(self.start, self.stop).indices(input_shape[-1]))
        return (*input_shape[:-1], len(taken))

    def get_config(self):
        return super().get_config() | {'start': self.start, 'stop': self.stop}


@keras.saving.register_keras_serializable('alexnet_tf')
class Flat(Placed, keras.layers.Flatten):
    """(batch, rows, columns, maps) as (batch, rows * columns * maps)."""


@keras.saving.register_keras_serializable('alexnet_tf')
class FullyConnected(Placed, keras.layers.Dense):
    """A fully-connected layer on one column's device."""
