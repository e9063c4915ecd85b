"""Loss scaling, for float16: small gradients would round to zero."""

from collections.abc import Callable, Sequence

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

    def apply(self, gradients: Sequence[tf.Tensor], update: Callable) -> None:
        """Calls `update` with the true gradients if all are finite, and adapts the scale.

        Args:
            gradients: Of the multiplied loss, each on its variable's device.
            update: Takes gradients.
        """
        divided, finite = [], []
        for gradient in gradients:
            with tf.device(gradient.device):
                divided.append(gradient / self.scale.value)
                finite.append(tf.reduce_all(tf.math.is_finite(gradient)))
        tf.cond(
            tf.reduce_all(tf.stack(finite)),
            lambda: self._good(divided, update),
            self._overflowed,
        )

    def _good(self, gradients, update):
        update(gradients)
        good = self.good_steps.value + 1
        grows = good >= GROWS_AFTER
        self.scale.assign(tf.where(grows, FACTOR * self.scale.value, self.scale.value))
        self.good_steps.assign(tf.where(grows, tf.zeros_like(good), good))
        return True

    def _overflowed(self):
        self.scale.assign(tf.maximum(self.scale.value / FACTOR, 1.0))
        self.good_steps.assign(0)
        return False
