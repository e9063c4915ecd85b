"""Weights kept in fewer bits than they are used with."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf


class Weights(tf.Module):
    """A network's weights, kept as bfloat16 or float16; each call widens them again.

    Args:
        variables: Of the network. Its layers compute as before.
        dtype: Of what is kept: half the bytes of float32.
    """

    def __init__(self, variables: Sequence[keras.Variable], dtype: str):
        super().__init__()
        self._held = [tf.Variable(tf.cast(each.value, dtype)) for each in variables]
        self._at = {each.path: at for at, each in enumerate(variables)}

    def of(self, model: keras.Model) -> Callable:
        """images -> what a model says that has its weights, or some of them, from here."""

        def call(images):
            outputs, _ = model.stateless_call(
                [self._value(each) for each in model.trainable_variables],
                [self._value(each) for each in model.non_trainable_variables],
                images,
                training=False,
            )
            return outputs

        return call

    def _value(self, variable):
        at = self._at.get(variable.path)
        return variable.value if at is None else tf.cast(self._held[at], variable.dtype)
