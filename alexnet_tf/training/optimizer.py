"""The paper's update of the weights (section 5), by TensorFlow's fused momentum kernel."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from alexnet_tf.models import topology


class PaperSGD:
    """Stochastic gradient descent with momentum and weight decay, as in section 5.

    v <- momentum * v - weight_decay * learning_rate * w - learning_rate * gradient
    w <- w + v

    The decay is part of the velocity, scales with the learning rate, and applies to weights but
    not to biases. The `weight_decay` of Keras' optimizers shrinks weights outside of the velocity,
    which is about ten times weaker at momentum 0.9. The loss does not contain the penalty.

    Velocity, learning rate and update of a variable are on the variable's device, so that an
    update copies nothing between devices; Keras' optimizers collect all gradients on the first.

    Args:
        variables: The variables to train.
        momentum: Share of the velocity that is kept, in [0, 1].
        weight_decay: Coefficient of the decay.
        layer_decays: Multiples of the coefficient by layer, as {'fc5': 2.5}.

    Attributes:
        velocities: One for each variable, for checkpoints.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0005,
        layer_decays: Mapping[str, float] | None = None,
    ):
        self._variables, self._momentum = list(variables), momentum
        self._decays, self.velocities, self._learning_rates = [], [], []
        for variable in self._variables:
            multiple = (layer_decays or {}).get(topology.get_layer_name(variable), 1.0)
            self._decays.append(0.0 if topology.is_bias(variable) else weight_decay * multiple)
            with tf.device(variable.value.device):
                name = variable.path.replace('/', '_') + '_velocity'
                zeros = tf.zeros(variable.shape, variable.dtype)
                self.velocities.append(keras.Variable(zeros, trainable=False, name=name))
                rate = tf.Variable(0.0, trainable=False, dtype=variable.dtype)
                self._learning_rates.append(rate)

    def set_learning_rate(
        self,
        learning_rate: float,
        *,
        bias_multiplier: float = 1.0,
        layer_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        """Sets the learning rate of every variable.

        Args:
            learning_rate: Of weights.
            bias_multiplier: The learning rate of biases is this multiple of it.
            layer_multipliers: Further multiples by layer, as {'conv1': 0.1}, for both columns. At
                0 a layer coasts to a stop on the velocity that it has, as in the 2012 source.
        """
        for variable, rate in zip(self._variables, self._learning_rates, strict=True):
            multiple = (layer_multipliers or {}).get(topology.get_layer_name(variable), 1.0)
            bias_multiple = bias_multiplier if topology.is_bias(variable) else 1.0
            rate.assign(learning_rate * multiple * bias_multiple)

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates every variable by its gradient."""
        columns = (self._variables, self.velocities, self._learning_rates, self._decays, gradients)
        for variable, velocity, rate, decay, gradient in zip(*columns, strict=True):
            with tf.device(variable.value.device):
                if decay:
                    gradient = self._decay(decay, variable, velocity, rate, gradient)
                tf.raw_ops.ResourceApplyKerasMomentum(
                    var=variable.value.handle,
                    accum=velocity.value.handle,
                    lr=rate,
                    grad=gradient,
                    momentum=tf.constant(self._momentum, variable.dtype),
                )

    def _decay(self, decay: float, variable, velocity, rate, gradient):
        """Applies weight decay, and returns the gradient for the momentum kernel."""
        if not self._momentum:
            return gradient + decay * variable.value
        # v - (rate * decay / momentum) * w, which the kernel multiplies by the momentum: in place,
        # where a sum of gradient and weights would need memory for both.
        tf.raw_ops.ResourceApplyGradientDescent(
            var=velocity.value.handle,
            alpha=rate * (decay / self._momentum),
            delta=variable.value,
        )
        return gradient
