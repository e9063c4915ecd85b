"""Loss scaling for float16, in which small gradients would round to zero."""

from collections.abc import Sequence

import keras
import tensorflow as tf

INITIAL_SCALE = 2.0**15
GROWTH_STEPS = 2000
FACTOR = 2.0


class LossScale:
    """Multiplies the loss by a factor and divides the gradients by it.

    A step whose gradients overflow is skipped and halves the factor; GROWTH_STEPS finite steps in
    a row double it. Keras' `LossScaleOptimizer` would collect all gradients on one device.

    Attributes:
        scale: The factor, float32.
        good_steps: Number of finite steps in a row, int64.
        variables: Both, for checkpoints.
    """

    def __init__(self):
        self.scale = keras.Variable(
            INITIAL_SCALE, trainable=False, dtype='float32', name='loss_scale'
        )
        self.good_steps = keras.Variable(0, trainable=False, dtype='int64', name='good_steps')
        self.variables = [self.scale, self.good_steps]

    def multiply(self, loss: tf.Tensor) -> tf.Tensor:
        """Returns the loss to differentiate, float32."""
        return loss * self.scale.value

    def divide(self, gradients: Sequence[tf.Tensor], variables: Sequence) -> list[tf.Tensor]:
        """Returns the gradients of the unscaled loss, each on its variable's device."""
        divided = []
        for gradient, variable in zip(gradients, variables, strict=True):
            with tf.device(variable.device):
                divided.append(gradient / self.scale.value)
        return divided

    def adapt(self, finite: tf.Tensor, squares: tf.Tensor) -> tf.Tensor:
        """Halves the factor after an overflow, doubles it after many finite steps.

        Args:
            finite: Whether the gradients of the scaled loss were finite.
            squares: Squared norms of these gradients.

        Returns:
            Squared norms of the gradients of the unscaled loss.
        """
        scale, good_steps = self.scale.value, self.good_steps.value + 1
        unscaled = squares / scale / scale
        grows = good_steps >= GROWTH_STEPS
        larger = tf.where(grows, FACTOR * scale, scale)
        self.scale.assign(tf.where(finite, larger, tf.maximum(scale / FACTOR, 1.0)))
        self.good_steps.assign(tf.where(finite & ~grows, good_steps, tf.zeros_like(good_steps)))
        return unscaled
