"""Local response normalisation across the kernel maps of one column (paper, section 3.3)."""

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.network.layers import column


@keras.saving.register_keras_serializable('alexnet_tf')
class LocalResponseNormalization(column.Placed, keras.layers.Layer):
    """y_i = x_i * (k + alpha * sum over the n nearest maps j of x_j^2) ** -beta.

    The sum over neighbouring maps is a product with a banded matrix of ones, and the gradient is
    written out: on a CPU several times as fast as TensorFlow's op, which besides has no bfloat16
    kernel. The bracket and its power are float32 whatever the input is, because alpha times a
    square is lost beside k in half precision.

    Args:
        k, n, alpha, beta: The paper's constants; alpha is not divided by n. n is odd.
        device: Where it runs.

    Input and output: (batch, rows, columns, maps), float32, bfloat16 or float16.

    Raises:
        ValueError: n is not an odd number from 1.
    """

    def __init__(self, *, k: float, n: int, alpha: float, beta: float, **kwargs):
        super().__init__(**kwargs)
        if n < 1 or n % 2 == 0:
            raise ValueError(f'n={n}: expected an odd number of maps, from 1.')
        self.k, self.n, self.alpha, self.beta = k, n, alpha, beta

    def call(self, inputs):
        with column.scope(self.device):
            return normalize(inputs, k=self.k, n=self.n, alpha=self.alpha, beta=self.beta)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        numbers = {'k': self.k, 'n': self.n, 'alpha': self.alpha, 'beta': self.beta}
        return super().get_config() | numbers


@keras.saving.register_keras_serializable('alexnet_tf')
class SameMapNormalization(column.Placed, keras.layers.Layer):
    """y = x * (1 + alpha * sum of x^2 over the 5x5 neighbours in the same map) ** -0.75.

    The 2012 source has it after the second normalisation; the paper is silent. Past the border
    there are no neighbours.

    Args:
        alpha: Coefficient of the sum, not divided by 25.

    Input and output: (batch, rows, columns, maps), any float dtype.
    """

    WINDOW = 5
    BETA = 0.75

    def __init__(self, *, alpha: float, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        with column.scope(self.device):
            return _rescale(inputs, self._window_sum, k=1.0, alpha=self.alpha, beta=self.BETA)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {'alpha': self.alpha}

    def _window_sum(self, x):
        # An average without padding counts existing neighbours only: times their number, a sum.
        rows, columns = (_neighbours(size, self.WINDOW) for size in x.shape[1:3])
        number = tf.constant(rows[:, None, None] * columns[:, None], x.dtype)
        return tf.nn.avg_pool2d(x, self.WINDOW, strides=1, padding='SAME') * number


def normalize(x, *, k: float, n: int, alpha: float, beta: float):
    """The normalisation as a function; see LocalResponseNormalization."""
    maps = x.shape[-1]
    apart = np.abs(np.arange(maps)[:, None] - np.arange(maps))
    band = apart <= n // 2

    def neighbour_sum(each):
        return tf.matmul(each, tf.constant(band, each.dtype))

    flat = tf.reshape(x, [-1, maps])
    y = _rescale(flat, neighbour_sum, k=k, alpha=alpha, beta=beta)
    return tf.reshape(y, tf.shape(x))


def _rescale(x, neighbour_sum, *, k: float, alpha: float, beta: float):
    """x * s ** -beta with s = k + alpha * neighbour_sum(x^2), for a symmetric neighbour_sum."""
    # float16 ends at 65,504, the square of 256; bfloat16 has float32's range.
    wide = tf.float32 if x.dtype == tf.float16 else x.dtype

    @tf.custom_gradient
    def forward(x):
        squares = tf.square(tf.cast(x, wide))
        bracket = k + alpha * tf.cast(neighbour_sum(squares), tf.float32)
        scale = tf.cast(_negative_power(bracket, beta), x.dtype)
        y = x * scale

        def backward(dy):
            # dx = dy s^-beta - 2 alpha beta x * neighbour_sum(dy y / s)
            inner = tf.cast(tf.cast(dy, wide) * tf.cast(y, wide), tf.float32) / bracket
            outer = neighbour_sum(tf.cast(inner * (2 * alpha * beta), wide))
            return dy * scale - tf.cast(tf.cast(x, wide) * outer, x.dtype)

        return y, backward

    return forward(x)


def _negative_power(s, beta: float):
    if beta == 0.75:  # two square roots are several times as fast as a power
        root = tf.math.rsqrt(s)
        return root * tf.sqrt(root)
    return tf.pow(s, -beta)


def _neighbours(size: int, window: int) -> np.ndarray:
    """How many of `window` positions around each of `size` exist."""
    at = np.arange(size)
    half = window // 2
    return np.minimum(at + half, size - 1) - np.maximum(at - half, 0) + 1
