"""A convolution whose kernels are not shared between positions (the paper's footnote 3)."""

import keras
import tensorflow as tf

from alexnet_tf.models.layers import on_device


@on_device.place
class LocallyConnected2D(keras.layers.Layer):
    """Convolves with a separate kernel and bias at each position, and with zero padding.

    Keras 3 has no such layer. The patches of all positions are cut as slices and multiplied by
    their kernels in one batched matrix product, positions first.

    Args:
        filters: The number of feature maps it outputs.
        kernel_size: The side of the patches, an odd number.
        kernel_initializer: The initializer of the kernels.
        bias_initializer: The initializer of the biases.

    Raises:
        ValueError: An even kernel size.

    Input shape: (batch, rows, columns, channels), any float dtype.
    Output shape: (batch, rows, columns, filters).

    Example:
    >>> LocallyConnected2D(4, kernel_size=3)(tf.zeros([1, 6, 6, 3])).shape
    TensorShape([1, 6, 6, 4])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        kernel_initializer: str | keras.Initializer = 'glorot_uniform',
        bias_initializer: str | keras.Initializer = 'zeros',
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f'kernel_size={kernel_size}: expected an odd number.')
        self.filters, self.kernel_size = filters, kernel_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        """Creates a kernel and a bias for each position."""
        _, rows, columns, channels = input_shape
        self.kernel = self.add_weight(
            name='kernel',
            shape=(rows, columns, self.kernel_size**2 * channels, self.filters),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(
            name='bias', shape=(rows, columns, self.filters), initializer=self.bias_initializer
        )

    def call(self, inputs):
        """Multiplies the patch at each position by its kernel and adds its bias."""
        # A graph of `fit` or `predict` may not know the size; there are kernels for this one only.
        inputs = tf.ensure_shape(inputs, (None, *self.kernel.shape[:2], None))
        kernel = tf.cast(self.kernel, inputs.dtype)
        return _multiply_patches(inputs, kernel) + tf.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {
            'filters': self.filters,
            'kernel_size': self.kernel_size,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
            'bias_initializer': keras.initializers.serialize(self.bias_initializer),
        }


@tf.custom_gradient
def _multiply_patches(inputs, kernel):
    """Multiplies each position's patch by its kernel: (batch, rows, columns, filters).

    The gradient is written out, since TensorFlow's own, of slices and their concatenation, takes
    twice the time.
    """
    rows, columns, depth, _ = kernel.shape
    size = round((depth // inputs.shape[-1]) ** 0.5)
    patches = _flatten_positions(_cut_patches(tf.transpose(inputs, [1, 2, 0, 3]), size))
    kernels = tf.reshape(kernel, [rows * columns, depth, -1])

    def unflatten(values):
        return tf.reshape(values, [rows, columns, -1, values.shape[-1]])

    def backward(dy):
        dy = _flatten_positions(tf.transpose(dy, [1, 2, 0, 3]))
        d_kernels = tf.matmul(patches, dy, transpose_a=True)
        d_patches = unflatten(tf.matmul(dy, kernels, transpose_b=True))
        d_inputs = tf.transpose(_add_patches(d_patches, size), [2, 0, 1, 3])
        return d_inputs, tf.reshape(d_kernels, kernel.shape)

    return tf.transpose(unflatten(tf.matmul(patches, kernels)), [2, 0, 1, 3]), backward


def _flatten_positions(values):
    """Reshapes (rows, columns, batch, n) to (rows * columns, batch, n)."""
    rows, columns, _, depth = values.shape
    return tf.reshape(values, [rows * columns, -1, depth])


def _cut_patches(images, size: int):
    """Cuts patches: (..., batch, channels) -> (..., batch, size * size * channels)."""
    rows, columns = images.shape[:2]
    padded = tf.pad(images, [[size // 2, size // 2]] * 2 + [[0, 0]] * 2)
    return tf.concat(
        [padded[row : row + rows, column : column + columns] for row, column in _offsets(size)], -1
    )


def _add_patches(patches, size: int):
    """The gradient of `_cut_patches`: adds each patch where it was cut."""
    rows, columns, _, depth = patches.shape
    channels, reach = depth // size**2, size // 2
    padded = [
        tf.pad(
            patches[..., index * channels : (index + 1) * channels],
            [[row, size - 1 - row], [column, size - 1 - column], [0, 0], [0, 0]],
        )
        for index, (row, column) in enumerate(_offsets(size))
    ]
    return tf.add_n(padded)[reach : reach + rows, reach : reach + columns]


def _offsets(size: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(size) for column in range(size)]
