"""Copies of networks for inference: the same outputs, from weights stored for fast reading.

For a single image, reading all weights takes longer than the arithmetic.
"""

import collections

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models import topology


def build(model: keras.Model) -> keras.Model:
    """Builds a copy of a model for inference on one device, with the weights that it has now.

    Its outputs differ from the model's by the order of sums only.

    Args:
        model: A functional model from `alexnet.build`, or of some of its layers.

    Example:
    >>> from alexnet_tf.models import alexnet, recipes
    >>> model = alexnet.build(recipes.PAPER, num_classes=10, width=0.1, precision='bfloat16')
    >>> [variable.dtype for variable in build(model).get_layer('fc8').variables]
    ['bfloat16', 'bfloat16']
    """
    folded = _find_folded_paddings(model)

    def recreate(layer):
        if isinstance(layer, keras.layers.Dense):
            return _Dense(layer)
        if isinstance(layer, keras.layers.Conv2D):
            (source,) = topology.list_inbound_layers(layer)
            return _Convolution(layer, folded.get(source.name))
        if layer.name in folded:
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
        return type(layer).from_config(layer.get_config())

    clone = keras.models.clone_model(model, clone_function=recreate)
    for layer, original in zip(clone.layers, model.layers, strict=True):
        if type(layer) is type(original):
            layer.set_weights(original.get_weights())
    return clone


def _find_folded_paddings(model: keras.Model) -> dict[str, tuple]:
    """Finds the layers of zero padding that only convolutions read: name -> padding."""
    readers = collections.defaultdict(list)
    for layer in model.layers:
        for source in topology.list_inbound_layers(layer):
            readers[source].append(isinstance(layer, keras.layers.Conv2D))
    return {
        source.name: source.padding
        for source, are_convolutions in readers.items()
        if isinstance(source, keras.layers.ZeroPadding2D) and all(are_convolutions)
    }


class _Dense(keras.layers.Layer):
    """A fully-connected layer whose kernel has a row for each unit, in the dtype it computes in.

    Rows are read in the order in which they lie in memory. A cast of the kernel at each call would
    take longer than the product with one image.

    Args:
        dense: The layer whose outputs it computes.
    """

    def __init__(self, dense: keras.layers.Dense):
        super().__init__(name=dense.name, dtype=dense.compute_dtype)
        kernel, *bias = dense.get_weights()
        self._kernel = self._store(kernel.T)
        self._bias = self._store(*bias) if bias else None

    def call(self, inputs):
        outputs = self._multiply(inputs)
        return outputs if self._bias is None else tf.nn.bias_add(outputs, self._bias)

    def _multiply(self, inputs):
        kernel = tf.convert_to_tensor(self._kernel)

        def multiply_rows():
            return tf.matmul(inputs, kernel, transpose_b=True)

        def multiply_batch():
            return tf.transpose(tf.matmul(kernel[None], inputs[None], transpose_b=True)[0])

        if inputs.dtype != tf.float32:  # oneDNN multiplies bfloat16 by rows at any batch size
            return multiply_rows()
        # By rows, several images take up to four times as long in float32. For one image,
        # TensorFlow without oneDNN is ten times as slow if it fuses the bias, which this branch
        # prevents.
        return tf.cond(tf.shape(inputs)[0] == 1, multiply_rows, multiply_batch)

    def _store(self, values):
        return self.add_weight(
            shape=values.shape,
            initializer=lambda shape, dtype: tf.cast(np.ascontiguousarray(values), dtype),
            trainable=False,
        )


class _Convolution(keras.layers.Layer):
    """A convolution whose kernel is a constant of the graph, which oneDNN reorders only once.

    Args:
        convolution: The layer whose outputs it computes.
        padding: Rows and columns of zeros around its inputs, ((top, bottom), (left, right)); by
            default those of the layer.
    """

    def __init__(self, convolution: keras.layers.Conv2D, padding: tuple | None = None):
        super().__init__(name=convolution.name, dtype=convolution.compute_dtype)
        self._values = [
            tf.cast(weight, self.compute_dtype).numpy() for weight in convolution.get_weights()
        ]
        self._strides = convolution.strides
        self._padding = convolution.padding.upper()
        if padding:
            self._padding = [[0, 0], *map(list, padding), [0, 0]]

    def call(self, inputs):
        kernel, *bias = self._values
        outputs = tf.nn.conv2d(inputs, kernel, self._strides, self._padding)
        return tf.nn.bias_add(outputs, *bias) if bias else outputs
