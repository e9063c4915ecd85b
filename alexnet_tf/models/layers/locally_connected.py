"""A convolution whose kernels are not shared between places (the paper's footnote 3)."""

import keras
import tensorflow as tf

from alexnet_tf.models.layers import placed


@keras.saving.register_keras_serializable('alexnet_tf')
class LocallyConnected(placed.Placed, keras.layers.Layer):
    """y[r, c] = kernel[r, c] . patch(r, c) + bias[r, c], with zeros past the edges.

    Each place has kernels and biases of its own. The patches of all places are cut as slices, and
    multiplied by their kernels in one batched matrix product, places first.

    Args:
        filters: Maps that it makes.
        size: Side of the patches, an odd number.
        kernel_initializer, bias_initializer: Of the weights.
        device: Where it runs.

    Input: (batch, rows, columns, channels), any float dtype.
    Output: (batch, rows, columns, filters).

    Raises:
        ValueError: An even size.
    """

    def __init__(
        self,
        filters: int,
        size: int,
        *,
        kernel_initializer='glorot_uniform',
        bias_initializer='zeros',
        **kwargs,
    ):
        super().__init__(**kwargs)
        if size % 2 == 0:
            raise ValueError(f'size={size}: expected an odd number, for a patch has a middle.')
        self.filters, self.size = filters, size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        _, rows, columns, channels = input_shape
        with placed.scope(self.device):
            self.kernel = self.add_weight(
                name='kernel',
                shape=(rows, columns, self.size**2 * channels, self.filters),
                initializer=self.kernel_initializer,
            )
            self.bias = self.add_weight(
                name='bias',
                shape=(rows, columns, self.filters),
                initializer=self.bias_initializer,
            )

    def call(self, inputs):
        with placed.scope(self.device):
            kernel = tf.cast(self.kernel, inputs.dtype)
            return _products(inputs, kernel) + tf.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return super().get_config() | {
            'filters': self.filters,
            'size': self.size,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
            'bias_initializer': keras.initializers.serialize(self.bias_initializer),
        }


@tf.custom_gradient
def _products(inputs, kernel):
    """Of every place, its patch times its kernel: (batch, rows, columns, filters).

    The gradient is written out: TensorFlow's own, of slices and their concatenation, takes twice
    the time.
    """
    rows, columns, depth, _ = kernel.shape
    size = round((depth // inputs.shape[-1]) ** 0.5)
    patches = _places_first(_patches(tf.transpose(inputs, [1, 2, 0, 3]), size))
    kernels = tf.reshape(kernel, [rows * columns, depth, -1])

    def of_places(values):
        return tf.reshape(values, [rows, columns, -1, values.shape[-1]])

    def backward(dy):
        dy = _places_first(tf.transpose(dy, [1, 2, 0, 3]))
        of_kernels = tf.matmul(patches, dy, transpose_a=True)
        of_patches = of_places(tf.matmul(dy, kernels, transpose_b=True))
        of_inputs = tf.transpose(_patches_back(of_patches, size), [2, 0, 1, 3])
        return of_inputs, tf.reshape(of_kernels, kernel.shape)

    return tf.transpose(of_places(tf.matmul(patches, kernels)), [2, 0, 1, 3]), backward


def _places_first(values):
    """(rows, columns, batch, n) as (rows * columns, batch, n)."""
    rows, columns, _, number = values.shape
    return tf.reshape(values, [rows * columns, -1, number])


def _patches(places, size: int):
    """(rows, columns, batch, channels) -> (rows, columns, batch, size * size * channels)."""
    rows, columns = places.shape[:2]
    padded = tf.pad(places, [[size // 2, size // 2]] * 2 + [[0, 0]] * 2)
    return tf.concat(
        [padded[row : row + rows, column : column + columns] for row, column in _corners(size)], -1
    )


def _patches_back(patches, size: int):
    """The gradient of `_patches`: each of a patch's numbers goes back to where it was cut."""
    rows, columns, _, depth = patches.shape
    channels, reach = depth // size**2, size // 2
    parts = [
        tf.pad(
            patches[..., at * channels : (at + 1) * channels],
            [[row, size - 1 - row], [column, size - 1 - column], [0, 0], [0, 0]],
        )
        for at, (row, column) in enumerate(_corners(size))
    ]
    return tf.add_n(parts)[reach : reach + rows, reach : reach + columns]


def _corners(size: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(size) for column in range(size)]
