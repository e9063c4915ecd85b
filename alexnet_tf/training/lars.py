"""Layer-wise adaptive rate scaling, an update of the weights for large batches."""

import collections
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.models import topology
from alexnet_tf.training import optimizer


@keras.saving.register_keras_serializable('alexnet_tf')
class LARS(optimizer.PaperSGD):
    """Momentum with a separate learning rate for each layer, for large batches.

    Layer-wise adaptive rate scaling (You, Gitman and Ginsburg, 2017, arXiv 1708.03888): the update
    of `PaperSGD`, with the learning rate of each layer in proportion to the norm of its weights:

    ```python
    ratio = trust_coefficient * norm(w) / (norm(gradient) + weight_decay * norm(w))
    v = momentum * v - ratio * learning_rate * (gradient + weight_decay * w)
    w = w + v
    ```

    The two columns of a layer count as one layer; only their norms are copied between devices.
    Biases, the scales and offsets of batch normalisation, and weights that are all 0 are not scaled
    by norms: their ratio is `trust_coefficient`.

    Args:
        learning_rate: As in `PaperSGD`, but larger: about 2 for 512 examples, 10 for 4,096.
        trust_coefficient: The ratio of a layer whose weights and gradient have equal norms.
        **options: Further arguments of `PaperSGD`, such as `momentum`.

    Raises:
        ValueError: The trust coefficient is not above 0; or see `PaperSGD`.

    Example:
    >>> model = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, name='fc8')])
    >>> model.compile(LARS(10.0, trust_coefficient=0.001), loss='mse')
    >>> history = model.fit(tf.ones([8, 4]), tf.zeros([8, 3]), verbose=0)
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 2.0,
        *,
        trust_coefficient: float = 0.001,
        **options: Any,
    ):
        super().__init__(learning_rate, **options)
        if not trust_coefficient > 0:
            raise ValueError(f'trust_coefficient={trust_coefficient}: expected a number above 0.')
        self.trust_coefficient = trust_coefficient

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, with the current learning rate and multipliers."""
        return super().get_config() | {'trust_coefficient': self.trust_coefficient}

    def _compute_learning_rates(
        self, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable]
    ) -> Sequence[tf.Tensor]:
        squares = collections.defaultdict(list)
        for gradient, variable in zip(gradients, variables, strict=True):
            if not topology.is_bias(variable):
                squares[_get_layer(variable)].append(self._compute_squares(gradient, variable))
        ratios = {layer: self._compute_ratio(tf.add_n(own)) for layer, own in squares.items()}
        learning_rate = tf.cast(self.learning_rate, tf.float64)
        return [
            learning_rate * self.trust_coefficient
            if topology.is_bias(variable)
            else learning_rate * ratios[_get_layer(variable)]
            for variable in variables
        ]

    def _compute_squares(self, gradient: tf.Tensor, variable: keras.Variable) -> tf.Tensor:
        """Computes half the squared norms of weights, gradient and decay, (3,) float64."""
        decay = self._decays[self._get_variable_index(variable)]
        with tf.device(variable.value.device):
            tensors = tf.convert_to_tensor(variable.value), tf.convert_to_tensor(gradient)
            weights, gradient = (tf.cast(tf.nn.l2_loss(tensor), tf.float64) for tensor in tensors)
            return tf.stack([weights, gradient, decay**2 * weights])

    def _compute_ratio(self, squares: tf.Tensor) -> tf.Tensor:
        weights, gradient, decay = tf.unstack(tf.sqrt(squares))
        ratio = tf.math.divide_no_nan(weights, gradient + decay)
        return self.trust_coefficient * tf.where(weights > 0, ratio, 1.0)


def _get_layer(variable: keras.Variable) -> tuple[str, ...]:
    """Returns the path of a variable's layer, without the column."""
    return (*variable.path.split('/')[:-2], topology.get_layer_name(variable))
