"""The paper's update of the weights (section 5), by TensorFlow's fused momentum kernel."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.models import topology


@keras.saving.register_keras_serializable('alexnet_tf')
class PaperSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent with momentum and weight decay, as in section 5.

    ```python
    v = momentum * v - weight_decay * learning_rate * w - learning_rate * gradient
    w = w + v
    ```

    The decay is part of the velocity, scales with the learning rate, and applies to weights but
    not to biases. The `weight_decay` of Keras' optimizers shrinks weights outside of the velocity,
    which is about ten times weaker at momentum 0.9. The loss does not contain the penalty.

    The velocity of a variable is stored and updated on the variable's device, so that an update
    copies only the learning rate between devices; Keras' optimizers collect all gradients on the
    first device.

    Args:
        learning_rate: A float, or one of `keras.optimizers.schedules`. Callbacks can change a
            float. It is kept in float64 and rounded only after multiplication.
        momentum: Share of the velocity that is kept, in [0, 1].
        nesterov: Whether weights move by momentum * v - learning_rate * gradient, with the new
            velocity, instead of by v.
        weight_decay: Coefficient of the decay; None for no decay.
        bias_multiplier: The learning rate of biases as a multiple of the weights': 1 in the paper,
            2 in the source of 2012.
        layer_multipliers: Further multiples by layer, such as {'fc8': 10, 'conv1_a': 0.1}; a name
            without a column applies to both columns. At 0 a layer still moves by its decaying
            velocity, as in the source of 2012.
        layer_decays: Multiples of the weight decay by layer, such as {'fc5': 2.5}.
        **options: Further arguments of `keras.optimizers.Optimizer`, such as `clipnorm`.

    Attributes:
        velocities: One for each variable, once it is built.

    Raises:
        ValueError: The momentum is not in [0, 1]; or, when the optimizer is built, no variable
            belongs to a layer that the multiples name.

    Example:
    >>> model = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, name='fc8')])
    >>> sgd = PaperSGD(0.01, bias_multiplier=2.0, layer_multipliers={'fc8': 10.0})
    >>> model.compile(sgd, loss='mse')
    >>> history = model.fit(tf.ones([8, 4]), tf.zeros([8, 3]), verbose=0)
    >>> sgd.learning_rate = 0.001
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float | None = 0.0005,
        bias_multiplier: float = 1.0,
        layer_multipliers: Mapping[str, float] | None = None,
        layer_decays: Mapping[str, float] | None = None,
        **options: Any,
    ):
        if isinstance(learning_rate, int):
            learning_rate = float(learning_rate)  # Keras refuses it
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum={momentum}: expected a number in [0, 1].')
        if isinstance(learning_rate, float):
            # Keras' own has the dtype of the user's keras.json, perhaps half precision.
            self._untrack_variable(self._learning_rate)
            self._learning_rate = keras.Variable(
                learning_rate,
                trainable=False,
                dtype='float64',
                aggregation='only_first_replica',
                name='learning_rate',
            )
        self.momentum, self.nesterov, self.bias_multiplier = momentum, nesterov, bias_multiplier
        self.layer_multipliers = dict(layer_multipliers or {})
        self.layer_decays = dict(layer_decays or {})
        self.velocities, self._multipliers, self._decays = [], [], []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the velocities of the variables to train; `fit` calls it.

        Raises:
            ValueError: The multiples name a layer to which no variable belongs.
        """
        if self.built:
            return
        _check_layers('layer_decays', self.layer_decays, variables)
        _check_layers('layer_multipliers', self.layer_multipliers, variables)
        super().build(list(variables))
        for variable in variables:
            with tf.init_scope(), tf.device(variable.value.device):
                velocity = keras.Variable(
                    'zeros',
                    shape=variable.shape,
                    dtype=variable.dtype,
                    trainable=False,
                    # A key of checkpoints.
                    name=variable.path.replace('/', '_') + '_velocity',
                )
                multiplier = self._compute_multiplier(variable)
                multiplier = tf.Variable(multiplier, trainable=False, dtype=tf.float64)
            self.velocities.append(velocity)
            # Keras' LossScaleOptimizer builds this one where lists are not tracked: no velocity
            # would be saved.
            if not self._tracker.is_in_store('variables', velocity):
                self._track_variable(velocity)
            self._multipliers.append(multiplier)
            self._decays.append(self._compute_decay(variable))

    def set_multipliers(
        self,
        *,
        bias_multiplier: float = 1.0,
        layer_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        """Changes the multiples of the learning rate, during training too.

        Args:
            bias_multiplier: See the class.
            layer_multipliers: See the class.

        Raises:
            ValueError: `layer_multipliers` names a layer to which no variable belongs.
        """
        self.bias_multiplier = bias_multiplier
        self.layer_multipliers = dict(layer_multipliers or {})
        if not self.built:
            return
        variables = self._trainable_variables
        _check_layers('layer_multipliers', self.layer_multipliers, variables)
        for variable, multiplier in zip(variables, self._multipliers, strict=True):
            multiplier.assign(self._compute_multiplier(variable))

    def update_variables(self, gradients: Sequence[tf.Tensor]) -> None:
        """Updates the variables that the optimizer was built with, and nothing else.

        For a custom training step: unlike `apply`, it neither sums the gradients over the replicas
        nor counts iterations.

        Args:
            gradients: One for each variable, the same on every replica.
        """
        self._update_each(gradients, self._trainable_variables)

    def update_step(self, gradient, variable, learning_rate) -> None:
        """Updates one variable and its velocity, on the device of the variable.

        Args:
            gradient: A tensor, or the slices of an embedding.
            variable: The tf.Variable.
            learning_rate: The learning rate before its multipliers.
        """
        index = self._get_variable_index(variable)
        velocity, decay = self.velocities[index].value, self._decays[index]
        with tf.device(variable.device):
            rate = tf.cast(learning_rate, tf.float64) * self._multipliers[index]
            rate = tf.cast(rate, variable.dtype)
            gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
            if decay:
                gradient = self._decay(decay, variable, velocity, rate, gradient)
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=velocity.handle,
                lr=rate,
                grad=gradient,
                momentum=tf.constant(self.momentum, variable.dtype),
                use_nesterov=self.nesterov,
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, with the current learning rate and multipliers."""
        return super().get_config() | {
            'momentum': self.momentum,
            'nesterov': self.nesterov,
            'bias_multiplier': self.bias_multiplier,
            'layer_multipliers': dict(self.layer_multipliers),
            'layer_decays': dict(self.layer_decays),
        }

    def _compute_multiplier(self, variable: keras.Variable) -> float:
        bias_multiplier = self.bias_multiplier if topology.is_bias(variable) else 1.0
        return _find_multiple(self.layer_multipliers, variable) * bias_multiplier

    def _compute_decay(self, variable: keras.Variable) -> float:
        if topology.is_bias(variable) or not self._use_weight_decay(variable):
            return 0.0
        return (self.weight_decay or 0.0) * _find_multiple(self.layer_decays, variable)

    def _apply_weight_decay(self, variables) -> None:
        """Does nothing: Keras would shrink weights here, but `update_step` decays the velocity."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate) -> None:
        """Updates the variables with `apply`'s gradients."""
        # Keras would sum the gradients of a single replica, too, in one operation.
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:  # not that of its creation
            pairs = self._all_reduce_sum_gradients(zip(grads, trainable_variables, strict=True))
            grads = [gradient for gradient, _ in pairs]
        self._update_each(grads, trainable_variables)

    def _update_each(self, gradients, variables) -> None:
        rates = self._compute_learning_rates(gradients, variables)
        for gradient, variable, rate in zip(gradients, variables, rates, strict=True):
            self.update_step(gradient, variable.value, rate)

    def _compute_learning_rates(self, gradients, variables) -> Sequence[tf.Tensor]:
        """Computes the learning rate of each variable, before it is multiplied."""
        return [tf.convert_to_tensor(self.learning_rate)] * len(variables)  # read once for all

    def _decay(self, decay: float, variable, velocity, rate, gradient):
        """Applies weight decay, and returns the gradient for the momentum kernel."""
        if self.nesterov or not self.momentum:
            return gradient + decay * variable
        # v - (rate * decay / momentum) * w, which the kernel multiplies by the momentum. This works
        # in place; a sum of gradient and weights would need memory for both.
        tf.raw_ops.ResourceApplyGradientDescent(
            var=velocity.handle,
            alpha=rate * (decay / self.momentum),
            delta=variable,
        )
        return gradient


def _find_multiple(multiples: Mapping[str, float], variable: keras.Variable) -> float:
    """Finds the multiple of a variable's layer by its own name, else by the paper's name."""
    names = _list_names(variable)
    return next((multiples[name] for name in names if name in multiples), 1.0)


def _check_layers(argument: str, multiples: Mapping[str, float], variables) -> None:
    """Checks that every multiple names a layer that is trained."""
    names = {name: None for variable in variables for name in _list_names(variable)}
    for name in multiples:
        if name not in names:
            raise ValueError(
                f'{argument}: no layer that is trained has the name {name!r}. There are '
                f'{", ".join(names)}.'
            )


def _list_names(variable: keras.Variable) -> tuple[str, str]:
    own = topology.get_layer_name(variable, with_column=True)
    return own, topology.get_layer_name(variable)
