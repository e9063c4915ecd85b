"""Weights that a SavedModel stores in half the bytes of float32."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf


class ReducedWeights(tf.Module):
    """The weights of a network, stored as bfloat16 or float16 and widened again at each call.

    Args:
        variables: The variables of the network, whose layers compute in their own dtype as before.
        dtype: Dtype of the stored weights, 'bfloat16' or 'float16'.
    """

    def __init__(self, variables: Sequence[keras.Variable], dtype: str):
        super().__init__()
        self._stored = [tf.Variable(tf.cast(variable.value, dtype)) for variable in variables]
        self._index = {variable.path: index for index, variable in enumerate(variables)}

    def as_function(self, model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function of images that runs a model with the stored weights.

        Args:
            model: The network, or a model of some of its layers.
        """

        def compute(images):
            outputs, _ = model.stateless_call(
                [self._widen(variable) for variable in model.trainable_variables],
                [self._widen(variable) for variable in model.non_trainable_variables],
                images,
                training=False,
            )
            return outputs

        return compute

    def _widen(self, variable):
        index = self._index.get(variable.path)
        return variable.value if index is None else tf.cast(self._stored[index], variable.dtype)
