"""The layers that Keras does not have: `alexnet_tf.layers`."""

from alexnet_tf.models.layers.dropout import Dropout
from alexnet_tf.models.layers.locally_connected import LocallyConnected2D
from alexnet_tf.models.layers.lrn import LocalResponseNormalization, SameMapNormalization
from alexnet_tf.models.layers.mean_subtraction import MeanSubtraction

__all__ = [
    'Dropout',
    'LocalResponseNormalization',
    'LocallyConnected2D',
    'MeanSubtraction',
    'SameMapNormalization',
]
