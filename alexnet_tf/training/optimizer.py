"""The paper's update (section 5), through TensorFlow's fused momentum kernel."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from alexnet_tf.models import topology


class PaperSGD:
    """v <- momentum v - decay rate w - rate g;  w <- w + v.

    The decay enters the velocity, scaled by the rate, and touches weights only. Keras' own
    `weight_decay` shrinks weights outside the velocity, about ten times weaker at momentum 0.9.
    The reported loss stays free of the penalty.

    Each variable's velocity, rate and update are on the variable's device, so of the update
    nothing crosses devices. (Keras' optimizers collect all gradients on the first device.)

    Args:
        variables: What is trained.
        momentum: Share of the velocity kept, in [0, 1].
        decay: Weight decay.
        layer_decays: What it is multiplied by, by layer, as {'fc5': 2.5}.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        *,
        momentum: float = 0.9,
        decay: float = 0.0005,
        layer_decays: Mapping[str, float] | None = None,
    ):
        self._trained, self._momentum = list(variables), momentum
        multiples = layer_decays or {}
        self._decays = [
            0.0 if topology.is_bias(each) else decay * multiples.get(topology.get_layer_name(each), 1.0)
            for each in self._trained
        ]
        self.velocities, self._rates = [], []
        for each in self._trained:
            with tf.device(each.value.device):
                name = each.path.replace('/', '_') + '_velocity'
                zeros = tf.zeros(each.shape, each.dtype)
                self.velocities.append(keras.Variable(zeros, trainable=False, name=name))
                self._rates.append(tf.Variable(0.0, trainable=False, dtype=each.dtype))

    def set_rate(
        self,
        rate: float,
        *,
        bias_multiplier: float = 1.0,
        layer_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        """Sets every variable's learning rate.

        Args:
            rate: Of weights.
            bias_multiplier: The rate of biases as a multiple.
            layer_multipliers: Further multiples by layer, as {'conv1': 0.1}, for both columns. A
                layer at 0 only coasts to a stop on the velocity it has, as in the 2012 source.
        """
        for variable, own in zip(self._trained, self._rates, strict=True):
            multiplier = (layer_multipliers or {}).get(topology.get_layer_name(variable), 1.0)
            own.assign(rate * multiplier * (bias_multiplier if topology.is_bias(variable) else 1.0))

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """One update, from the gradient of each variable."""
        parts = (self._trained, self.velocities, self._rates, self._decays, gradients)
        for variable, velocity, rate, decay, gradient in zip(*parts, strict=True):
            with tf.device(variable.value.device):
                if decay:
                    gradient = self._decayed(decay, variable, velocity, rate, gradient)
                tf.raw_ops.ResourceApplyKerasMomentum(
                    var=variable.value.handle,
                    accum=velocity.value.handle,
                    lr=rate,
                    grad=gradient,
                    momentum=tf.constant(self._momentum, variable.dtype),
                )

    def _decayed(self, decay: float, variable, velocity, rate, gradient):
        """What the kernel is to take for the gradient so that weights decay."""
        if not self._momentum:
            return gradient + decay * variable.value
        # v - (rate decay / momentum) w, which the kernel multiplies by the momentum: in place,
        # where a sum of gradient and weights would be as large as both.
        tf.raw_ops.ResourceApplyGradientDescent(
            var=velocity.value.handle,
            alpha=rate * (decay / self._momentum),
            delta=variable.value,
        )
        return gradient
