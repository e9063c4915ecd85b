"""Loss scaling, for float16: small gradients would round to zero."""

from collections.abc import Sequence

import keras
import tensorflow as tf

START = 2.0**15
GROWS_AFTER = 2000
FACTOR = 2.0


class LossScale:
    """Multiplies the loss and divides its gradients, by as much as they bear.

    A step whose gradients overflow is left out and halves the scale; so many good ones in a row
    double it. Keras' own would collect all gradients on one device.

    Attributes:
        variables: The scale and the number of good steps in a row, for checkpoints.
    """

    def __init__(self):
        self.scale = keras.Variable(START, trainable=False, dtype='float32', name='loss_scale')
        self.good_steps = keras.Variable(0, trainable=False, dtype='int64', name='good_steps')
        self.variables = [self.scale, self.good_steps]

    def multiply(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss to differentiate, float32."""
        return loss * self.scale.value

    def divide(self, gradients: Sequence[tf.Tensor], variables: Sequence) -> list[tf.Tensor]:
        """The true gradients, each on its variable's device."""
        divided = []
        for gradient, variable in zip(gradients, variables, strict=True):
            with tf.device(variable.device):
                divided.append(gradient / self.scale.value)
        return divided

    def adapt(self, finite: tf.Tensor, squares: tf.Tensor) -> tf.Tensor:
        """Halves the scale after an overflow, doubles it after many good steps.

        Args:
            finite: Whether the gradients of the multiplied loss were.
            squares: Of those gradients.

        Returns:
            Squares of the true ones.
        """
        scale, good = self.scale.value, self.good_steps.value + 1
        true = squares / scale / scale
        grows = good >= GROWS_AFTER
        larger = tf.where(grows, FACTOR * scale, scale)
        self.scale.assign(tf.where(finite, larger, tf.maximum(scale / FACTOR, 1.0)))
        self.good_steps.assign(tf.where(finite & ~grows, good, tf.zeros_like(good)))
        return true
