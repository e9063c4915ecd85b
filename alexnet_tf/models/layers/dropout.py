"""Dropout as the paper has it (section 4.2)."""

import dataclasses
import random

import keras
import tensorflow as tf

from alexnet_tf.models.layers import on_device


@dataclasses.dataclass(frozen=True)
class MaskRows:
    """The rows of a training step's masks that a batch, or a part of one, uses.

    A mask depends only on the layer's seed, the step and the row of the whole batch. It is
    therefore the same for a batch that is processed in parts or by several replicas, and after any
    restart.

    `model(images, training=True, dropout_rows=rows)` passes the rows to all dropout layers.

    Attributes:
        step: The number of the step, an int32 scalar.
        first_row: The row of the whole batch that the part starts at.
        batch_rows: The number of rows of the whole batch.
    """

    step: int | tf.Tensor
    first_row: int | tf.Tensor
    batch_rows: int


@on_device.place
class Dropout(keras.layers.Layer):
    """Sets a fraction of its inputs to zero in training, and scales all of them at test time.

    `keras.layers.Dropout` is inverted dropout: it scales in training instead. The next layer then
    sees inputs and gradients larger by 1 / (1 - rate), and learns differently from the same initial
    weights.

    Args:
        rate: The fraction set to zero, in [0, 1).
        inverted: Divide by 1 - rate in training, instead of multiplying by it at test time.
        seed: The seed of the masks. Without `dropout_rows`, as in `fit`, they also depend on the
            state of a generator, which is a variable. None chooses a random seed, so that layers
            differ.

    Call arguments:
        inputs: Any shape, any float dtype.
        training: Whether to drop anything.
        dropout_rows: The rows of the masks, a `MaskRows`; None uses the generator.

    Raises:
        ValueError: The rate is not in [0, 1).

    Example:
    >>> Dropout(0.5)(tf.ones([1, 2])).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, rate: float, *, inverted: bool = False, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f'rate={rate}: expected a number in [0, 1).')
        if seed is None:
            seed = random.randrange(2**31)  # a function of `keras.utils.set_random_seed`
        self.rate, self.inverted, self.seed = rate, inverted, seed
        # Named, since checkpoints know variables by name.
        self.seed_generator = keras.random.SeedGenerator(seed, name=f'{self.name}_seed')
        # Keras then hands the argument down to this layer as it does `training`.
        self._register_call_context_args('dropout_rows')

    def call(self, inputs, training=False, dropout_rows=None):
        """Drops in training; scales at test time or, if inverted, in training."""
        keep = 1.0 - self.rate
        if not training:
            return inputs if self.inverted else inputs * keep
        mask = tf.cast(self._uniform(inputs, dropout_rows) < keep, inputs.dtype)
        return inputs * (mask / keep if self.inverted else mask)

    def _uniform(self, inputs, rows: MaskRows | None):
        """Returns uniform values in [0, 1), float32, in the shape of the inputs."""
        if rows is None:
            seed = tf.cast(self.seed_generator.next(), tf.int32)
            return tf.random.stateless_uniform(tf.shape(inputs), seed)
        seed = tf.stack([self.seed, rows.step])
        whole = tf.random.stateless_uniform((rows.batch_rows, *inputs.shape[1:]), seed)
        return whole[rows.first_row : rows.first_row + tf.shape(inputs)[0]]

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        arguments = {'rate': self.rate, 'inverted': self.inverted, 'seed': self.seed}
        return super().get_config() | arguments
