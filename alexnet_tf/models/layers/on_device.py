"""Layers that run on a given device, with their variables, forward pass and gradients.

Keras forgets a device scope around the call of a layer when it builds the functional graph, so
`place` enters the scope inside the layer's own `__init__`, `build` and `call`. Gradients follow
through `tf.gradients`, which colocates each one with the operation that it belongs to.
"""

import contextlib
import functools
from typing import TypeVar

import keras
import tensorflow as tf

_LayerClass = TypeVar('_LayerClass', bound=type[keras.Layer])


def place(layer: _LayerClass) -> _LayerClass:
    """Makes and registers the subclass of a Keras layer that runs on a device.

    It has the name, the signature and the docstring of the layer, and one more argument: `device`,
    such as '/GPU:1'. None, the default, leaves the layer where TensorFlow puts it.

    Args:
        layer: The class, so that `place` also works as a decorator.

    Returns:
        The subclass.

    Example:
    >>> Conv2D(4, kernel_size=3, device='/CPU:0').device
    '/CPU:0'
    """

    class Placed(layer):
        def __init__(self, *args, device: str | None = None, **kwargs):
            with _scope(device):
                super().__init__(*args, **kwargs)
            self.device = device
            if device:
                self.supports_jit = False  # XLA compiles for one device only

        def build(self, input_shape):
            with _scope(self.device):
                super().build(input_shape)

        @functools.wraps(layer.call)  # Keras reads the signature
        def call(self, *args, **kwargs):
            with _scope(self.device):
                return super().call(*args, **kwargs)

        def get_config(self):
            return super().get_config() | {'device': self.device}

    own = not layer.__module__.startswith('keras.')
    Placed.__name__ = Placed.__qualname__ = layer.__name__
    Placed.__module__ = layer.__module__ if own else __name__
    Placed.__doc__ = layer.__doc__ if own else f'`keras.layers.{layer.__name__}` on a device.'
    return keras.saving.register_keras_serializable('alexnet_tf')(Placed)


def _scope(device: str | None):
    return tf.device(device) if device else contextlib.nullcontext()


Activation = place(keras.layers.Activation)
AveragePooling2D = place(keras.layers.AveragePooling2D)
Concatenate = place(keras.layers.Concatenate)
Conv2D = place(keras.layers.Conv2D)
Dense = place(keras.layers.Dense)
Flatten = place(keras.layers.Flatten)
GlobalAveragePooling2D = place(keras.layers.GlobalAveragePooling2D)
MaxPooling2D = place(keras.layers.MaxPooling2D)
ReLU = place(keras.layers.ReLU)
ZeroPadding2D = place(keras.layers.ZeroPadding2D)


@place
class Rescaling(keras.layers.Rescaling):
    """Multiplies images by one scale or one per channel; channels are last in any case."""

    def call(self, inputs):
        """Multiplies, in the dtype of computation."""
        scale = tf.cast(self.scale, self.compute_dtype)
        return tf.cast(inputs, self.compute_dtype) * scale


@place
class ChannelSlice(keras.layers.Layer):
    """Takes the channels from `start` up to `stop`.

    Args:
        start: The first channel.
        stop: The channel after the last, as in a Python slice.

    Input shape: (batch, rows, columns, channels), any dtype.
    Output shape: (batch, rows, columns, stop - start).
    """

    def __init__(self, start: int, stop: int, **kwargs):
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, inputs):
        """Slices the last axis."""
        return inputs[..., self.start : self.stop]

    def compute_output_shape(self, input_shape):
        """Returns the shape with the number of channels that are taken."""
        return (*input_shape[:-1], len(range(input_shape[-1])[self.start : self.stop]))

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {'start': self.start, 'stop': self.stop}
