"""Batch normalisation by TensorFlow's fused kernels."""

import keras
import tensorflow as tf

from alexnet_tf.models.layers import on_device


@on_device.place
class BatchNormalization(keras.layers.Layer):
    """Normalises each channel over the batch (Ioffe and Szegedy, 2015), in one fused kernel.

    `keras.layers.BatchNormalization` computes the same by a chain of float32 operations, which
    takes several times as long on a CPU. Statistics, scale and offset are float32 whatever the
    inputs are. With several replicas each one normalises its own share of the batch, as is usual:
    nothing has to be exchanged in the forward pass. Their moving averages are averaged.

    Args:
        momentum: The share of the moving averages that a training step keeps.
        epsilon: Added to the variance.

    Attributes:
        gamma: The scale, (channels,).
        beta: The offset, (channels,).
        moving_mean: The mean for inference, (channels,); not trained.
        moving_variance: The variance for inference, (channels,); not trained.

    Input shape: (batch, rows, columns, channels) or (batch, channels), float32, bfloat16 or
        float16.
    Output shape: As the input.

    Example:
    >>> layer = BatchNormalization()
    >>> layer(tf.constant([[1.0], [3.0]]), training=True).numpy().round(2)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    def __init__(self, *, momentum: float = 0.9, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon
        self.autocast = False  # of the variables

    def build(self, input_shape):
        """Creates the variables."""
        options = {'shape': input_shape[-1:], 'dtype': 'float32', 'autocast': False}
        self.gamma = self.add_weight(initializer='ones', name='gamma', **options)
        self.beta = self.add_weight(initializer='zeros', name='beta', **options)
        options |= {'trainable': False, 'aggregation': 'mean'}
        self.moving_mean = self.add_weight(initializer='zeros', name='moving_mean', **options)
        self.moving_variance = self.add_weight(
            initializer='ones', name='moving_variance', **options
        )

    def call(self, inputs, training=False):
        """Normalises by the batch in training, and by the moving averages in inference.

        Like Keras' own layer, it uses the moving averages if it is frozen (`trainable = False`).
        """
        training = bool(training and self.trainable)
        inputs = tf.cast(inputs, self.compute_dtype)
        as_images = inputs if len(inputs.shape) == 4 else inputs[:, None, None, :]
        moving = {'mean': self.moving_mean.value, 'variance': self.moving_variance.value}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            as_images,
            self.gamma.value,
            self.beta.value,
            **({} if training else moving),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self._update(self.moving_mean, mean)
            self._update(self.moving_variance, variance)
        return tf.reshape(outputs, tf.shape(inputs))

    def _update(self, average, value):
        new = self.momentum * average.value + (1.0 - self.momentum) * value
        is_finite = tf.reduce_all(tf.math.is_finite(new))  # otherwise the step is skipped
        average.assign(tf.where(is_finite, new, average.value))

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {'momentum': self.momentum, 'epsilon': self.epsilon}
