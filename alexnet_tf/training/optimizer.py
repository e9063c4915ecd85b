"""The paper's update (section 5), through TensorFlow's fused momentum kernel."""

import keras
import tensorflow as tf


class PaperSGD(keras.optimizers.SGD):
    """v <- momentum v - decay rate w - rate g;  w <- w + v.

    The decay enters the velocity, scaled by the rate, and touches weights only. Keras' own
    `weight_decay` shrinks weights outside the velocity, about ten times weaker at momentum 0.9.
    The reported loss stays free of the penalty. The fused kernel runs beside its variable, so a
    column's weights, velocities and updates stay on the column's device.

    Args:
        learning_rate: Of weights.
        momentum: Share of the velocity kept, in [0, 1].
        decay: Weight decay, of every variable that is no bias.
        bias_rate_multiplier: The rate of biases as a multiple of the weights'.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.9,
        decay: float = 0.0005,
        bias_rate_multiplier: float = 1.0,
    ):
        # Keras keeps a velocity only where momentum is not 0; the kernel wants one always.
        super().__init__(learning_rate, momentum=momentum or 1e-30, name='paper_sgd')
        self.paper_momentum = momentum
        self.decay, self.bias_rate_multiplier = decay, bias_rate_multiplier

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        velocity = self.momentums[index]
        rate = tf.cast(learning_rate, variable.dtype)
        if is_bias(self._trainable_variables[index]):
            rate = rate * self.bias_rate_multiplier
        elif self.decay:
            gradient = gradient + self.decay * variable
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=velocity.value.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.constant(self.paper_momentum, variable.dtype),
        )


def is_bias(variable) -> bool:
    """Whether a Keras variable is a layer's bias."""
    return variable.name == 'bias'
