"""Local response normalisation across the kernel maps of one column (paper, section 3.3)."""

import functools

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models.layers import placed


@keras.saving.register_keras_serializable('alexnet_tf')
class LocalResponseNormalization(placed.Placed, keras.layers.Layer):
    """y_i = x_i * (k + alpha * sum over the n nearest maps j of x_j^2) ** -beta.

    The sum over neighbouring maps is a product with a banded matrix of ones, and the gradient is
    written out: on a CPU several times as fast as TensorFlow's op, which besides has no bfloat16
    kernel. The bracket and its power are float32 whatever the input is, because alpha times a
    square is lost beside k in half precision.

    Args:
        k, n, alpha, beta: The paper's constants; alpha is not divided by n. n is odd.
        compiled: Let XLA fuse each pass, faster still. Not for export: servers refuse XLA.
        device: Where it runs.

    Input and output: (batch, rows, columns, maps), float32, bfloat16 or float16.

    Raises:
        ValueError: n is not an odd number from 1.
    """

    def __init__(
        self, *, k: float, n: int, alpha: float, beta: float, compiled: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        if n < 1 or n % 2 == 0:
            raise ValueError(f'n={n}: expected an odd number of maps, from 1.')
        self.k, self.n, self.alpha, self.beta = k, n, alpha, beta
        self.compiled = compiled

    def call(self, inputs):
        numbers = {'k': self.k, 'alpha': self.alpha, 'beta': self.beta}
        with placed.scope(self.device):
            if self.compiled:
                return _rescale_compiled(inputs, self.n, **numbers)
            maps = inputs.shape[-1]
            y = _rescale(tf.reshape(inputs, [-1, maps]), self._banded_product, **numbers)
            return tf.reshape(y, tf.shape(inputs))

    def _banded_product(self, x):
        at = np.arange(x.shape[-1])
        band = np.abs(at[:, None] - at) <= self.n // 2
        return tf.matmul(x, tf.constant(band, x.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        numbers = {'k': self.k, 'n': self.n, 'alpha': self.alpha, 'beta': self.beta}
        return super().get_config() | numbers | {'compiled': self.compiled}


@keras.saving.register_keras_serializable('alexnet_tf')
class SameMapNormalization(placed.Placed, keras.layers.Layer):
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
        with placed.scope(self.device):
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


def _rescale_compiled(x, window: int, *, k: float, alpha: float, beta: float):
    """The same for sums over a window of maps, each pass fused by XLA."""
    forward, backward = _passes(x.shape, x.dtype, window, k, alpha, beta)
    return tf.custom_gradient(lambda x: (forward(x), lambda dy: backward(x, dy)))(x)


@functools.cache
def _passes(shape, dtype, window: int, k: float, alpha: float, beta: float):
    """(forward, backward), once for all networks, for XLA compiles what it has not seen.

    The gradient computes s again from x, which is cheaper than to store and read it.
    """
    near = functools.partial(_shifted_sum, window=window)

    def forward(x):
        wide = tf.cast(x, tf.float32)
        bracket = k + alpha * near(tf.square(wide))
        return tf.cast(wide * _negative_power(bracket, beta), x.dtype)

    def backward(x, dy):
        wide, dy_wide = tf.cast(x, tf.float32), tf.cast(dy, tf.float32)
        bracket = k + alpha * near(tf.square(wide))
        scale = _negative_power(bracket, beta)
        outer = near((2 * alpha * beta) * dy_wide * wide * scale / bracket)
        return tf.cast(dy_wide * scale - wide * outer, x.dtype)

    maps = tf.TensorSpec(shape, dtype)
    with tf.init_scope(), tf.device(None):  # of no network's graph, and of no device
        return tuple(
            tf.function(each, jit_compile=True, autograph=False).get_concrete_function(*specs)
            for each, specs in ((forward, (maps,)), (backward, (maps, maps)))
        )


def _negative_power(s, beta: float):
    if beta == 0.75:  # two square roots are several times as fast as a power
        root = tf.math.rsqrt(s)
        return root * tf.sqrt(root)
    return tf.pow(s, -beta)


def _shifted_sum(x, window: int):
    """The sum over `window` neighbouring maps, as XLA fuses it; past the ends there are none."""
    padded = tf.pad(x, [[0, 0]] * 3 + [[window // 2, window // 2]])
    return tf.add_n([padded[..., at : at + x.shape[-1]] for at in range(window)])


def _neighbours(size: int, window: int) -> np.ndarray:
    """How many of `window` positions around each of `size` exist."""
    at = np.arange(size)
    half = window // 2
    return np.minimum(at + half, size - 1) - np.maximum(at - half, 0) + 1
