"""Dropout as the paper has it (section 4.2)."""

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.models.layers import placed

_now = threading.local()


class Draw(NamedTuple):
    """Which masks are drawn: those of some rows of a step's batch.

    Attributes:
        step: Number of the step, int32.
        first: The first row.
        rows: Of the whole batch.
    """

    step: tf.Tensor
    first: int | tf.Tensor
    rows: int


@contextlib.contextmanager
def drawn(draw: Draw) -> Iterator[None]:
    """Has the layers that are called in the block draw these masks, in training.

    So a mask is a function of seed, step and row: the same for a batch that is taken in parts, or
    by several copies of a network, and after any restart.
    """
    _now.draw = draw
    try:
        yield
    finally:
        _now.draw = None


@keras.saving.register_keras_serializable('alexnet_tf')
class Dropout(placed.Placed, keras.layers.Layer):
    """Sets a share of outputs to zero in training; at test multiplies all by what is kept.

    Keras' own dropout is the inverted kind: it scales in training, so the next layer sees
    inputs and gradients larger by 1 / (1 - rate), and learns differently from the same start.

    Args:
        rate: Share set to zero, in [0, 1).
        inverted: Divide kept outputs by 1 - rate in training and leave them alone at test.
        seed: Of the masks. Outside of `drawn`, a generator's state decides too, a variable.

    Input and output: any shape and float dtype.
    """

    def __init__(self, rate: float, *, inverted: bool = False, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.inverted, self.seed = rate, inverted, seed
        with placed.scope(self.device):
            # Named, for checkpoints know variables by name.
            self.seed_generator = keras.random.SeedGenerator(seed, name=f'{self.name}_seed')

    def call(self, inputs, training=False):
        keep = 1.0 - self.rate
        with placed.scope(self.device):
            if not training:
                return inputs if self.inverted else inputs * keep
            mask = tf.cast(self._uniform(inputs) < keep, inputs.dtype)
            return inputs * (mask / keep if self.inverted else mask)

    def _uniform(self, inputs):
        """Uniform numbers in [0, 1), float32, in the shape of inputs."""
        draw = getattr(_now, 'draw', None)
        if draw is None:
            seed = tf.cast(self.seed_generator.next(), tf.int32)
            return tf.random.stateless_uniform(tf.shape(inputs), seed)
        seed = tf.stack([self.seed, draw.step])
        whole = tf.random.stateless_uniform((draw.rows, *inputs.shape[1:]), seed)
        return whole[draw.first : draw.first + tf.shape(inputs)[0]]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        mine = {'rate': self.rate, 'inverted': self.inverted, 'seed': self.seed}
        return super().get_config() | mine
