"""Local response normalisation across the feature maps of one column (paper, section 3.3)."""

import functools

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.models.layers import on_device


@on_device.place
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each activation by a function of the n adjacent feature maps at its position.

    The paper's formula, where the sum is over the n maps j nearest to map i, fewer at the ends:

    ```python
    y[i] = x[i] / (k + alpha * sum(x[j] ** 2)) ** beta
    ```

    The sum is a product with a banded matrix of ones, and the gradient is written out. On a CPU
    this is several times as fast as TensorFlow's op, which also has no bfloat16 kernel. The term in
    brackets and its power are float32 whatever the input is, since alpha times a square is lost
    beside k in half precision.

    Args:
        k: The constant added to the sum.
        n: The number of adjacent maps in the sum, an odd number.
        alpha: The coefficient of the sum. As in the paper, and unlike in Caffe and PyTorch, it is
            not divided by n.
        beta: The exponent.
        compiled: Let XLA fuse each pass, which is faster still. Not for export: servers refuse XLA.

    Raises:
        ValueError: n is not an odd number from 1.

    Input shape: (batch, rows, columns, maps), float32, bfloat16 or float16.
    Output shape: As the input.

    Example:
    >>> layer = LocalResponseNormalization()
    >>> layer(tf.constant([[[[100.0, 0.0, 1.0]]]])).numpy().round(2)
    array([[[[43.87,  0.  ,  0.44]]]], dtype=float32)
    """

    def __init__(
        self,
        *,
        k: float = 2.0,
        n: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        compiled: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if n < 1 or n % 2 == 0:
            raise ValueError(f'n={n}: expected an odd number of feature maps, from 1.')
        self.k, self.n, self.alpha, self.beta = k, n, alpha, beta
        self.compiled = compiled

    def call(self, inputs):
        """Normalises across the last axis."""
        constants = {'k': self.k, 'alpha': self.alpha, 'beta': self.beta}
        if self.compiled:
            return _rescale_compiled(inputs, self.n, **constants)
        rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
        return tf.reshape(_rescale(rows, self._banded_product, **constants), tf.shape(inputs))

    def _banded_product(self, x):
        index = np.arange(x.shape[-1])
        band = np.abs(index[:, None] - index) <= self.n // 2
        return tf.matmul(x, tf.constant(band, x.dtype))

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        constants = {'k': self.k, 'n': self.n, 'alpha': self.alpha, 'beta': self.beta}
        return super().get_config() | constants | {'compiled': self.compiled}


@on_device.place
class SameMapNormalization(keras.layers.Layer):
    """Divides each activation by a function of its 5x5 neighbours in the same feature map.

    y = x / (1 + alpha * sum(x ** 2)) ** 0.75; positions past the border do not count. In the 2012
    source it follows the second normalisation, as cnorm2 in layers-145.cfg; the paper does not
    mention it.

    Args:
        alpha: The coefficient of the sum. It is not divided by 25.

    Input shape: (batch, rows, columns, maps), any float dtype.
    Output shape: As the input.

    Example:
    >>> layer = SameMapNormalization(alpha=0.001 / 25)
    >>> layer(tf.constant([[[[100.0], [0.0], [1.0]]]])).numpy().round(2)
    array([[[[77.7 ],
             [ 0.  ],
             [ 0.78]]]], dtype=float32)
    """

    WINDOW = 5
    BETA = 0.75

    def __init__(self, *, alpha: float, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        """Normalises across the rows and columns."""
        return _rescale(inputs, self._window_sum, k=1.0, alpha=self.alpha, beta=self.BETA)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {'alpha': self.alpha}

    def _window_sum(self, x):
        # Average pooling counts existing neighbours only: times their number, it is the sum.
        sizes = keras.ops.shape(x)[1:3]  # perhaps unknown in the graphs of `fit` and `predict`
        rows, columns = (_count_neighbours(size, self.WINDOW) for size in sizes)
        counts = tf.cast(rows[:, None, None] * columns[:, None], x.dtype)
        return tf.nn.avg_pool2d(x, self.WINDOW, strides=1, padding='SAME') * counts


def _rescale(x, neighbour_sum, *, k: float, alpha: float, beta: float):
    """Returns x s^-beta with s = k + alpha neighbour_sum(x^2), for a symmetric neighbour_sum."""
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
    """Computes `_rescale` for sums over a window of feature maps; XLA fuses each pass."""
    forward, backward = _compile_passes(x.shape, x.dtype, window, k, alpha, beta)
    return tf.custom_gradient(lambda x: (forward(x), lambda dy: backward(x, dy)))(x)


@functools.cache
def _compile_passes(shape, dtype, window: int, k: float, alpha: float, beta: float):
    """Returns (forward, backward), shared by all networks, since XLA compiles every new function.

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
    with tf.init_scope(), tf.device(None):  # in no network's graph and on no device
        return tuple(
            tf.function(pass_, jit_compile=True, autograph=False).get_concrete_function(*specs)
            for pass_, specs in ((forward, (maps,)), (backward, (maps, maps)))
        )


def _negative_power(s, beta: float):
    if beta == 0.75:  # two square roots are several times as fast as a power
        root = tf.math.rsqrt(s)
        return root * tf.sqrt(root)
    return tf.pow(s, -beta)


def _shifted_sum(x, window: int):
    """Sums `window` adjacent feature maps, in a form that XLA fuses."""
    padded = tf.pad(x, [[0, 0]] * 3 + [[window // 2, window // 2]])
    return tf.add_n([padded[..., shift : shift + x.shape[-1]] for shift in range(window)])


def _count_neighbours(size: int | tf.Tensor, window: int) -> tf.Tensor:
    """Counts, for each of `size` positions, those that exist in the `window` around it."""
    index = tf.range(size)
    reach = window // 2
    return tf.minimum(index + reach, size - 1) - tf.maximum(index - reach, 0) + 1
