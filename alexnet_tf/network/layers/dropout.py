"""Dropout as the paper has it (section 4.2)."""

import keras
import tensorflow as tf

from alexnet_tf.network.layers import column


@keras.saving.register_keras_serializable('alexnet_tf')
class Dropout(column.Placed, keras.layers.Layer):
    """Sets a share of outputs to zero in training; at test multiplies all by what is kept.

    Keras' own dropout is the inverted kind: it scales in training, so the next layer sees
    inputs and gradients larger by 1 / (1 - rate), and learns differently from the same start.

    Args:
        rate: Share set to zero, in [0, 1).
        inverted: Divide kept outputs by 1 - rate in training and leave them alone at test.
        seed: Of the masks. The generator's state is a variable and belongs in checkpoints.

    Input and output: any shape and float dtype.
    """

    def __init__(self, rate: float, *, inverted: bool = False, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.inverted, self.seed = rate, inverted, seed
        with column.scope(self.device):
            # Named, for checkpoints know variables by name.
            self.seed_generator = keras.random.SeedGenerator(seed, name=f'{self.name}_seed')

    def call(self, inputs, training=False):
        keep = 1.0 - self.rate
        with column.scope(self.device):
            if not training:
                return inputs if self.inverted else inputs * keep
            seed = self.seed_generator.next()
            drawn = tf.random.stateless_uniform(tf.shape(inputs), tf.cast(seed, tf.int32))
            mask = tf.cast(drawn < keep, inputs.dtype)
            return inputs * (mask / keep if self.inverted else mask)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        mine = {'rate': self.rate, 'inverted': self.inverted, 'seed': self.seed}
        return super().get_config() | mine
