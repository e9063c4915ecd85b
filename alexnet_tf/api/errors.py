"""The exceptions of the public functions: `alexnet_tf.errors`.

Each has one message for people, which says what happened, to which argument or file, and what to
do. On the command line, `exit_code` is the exit status.
"""

from alexnet_tf.config.environment import BackendError
from alexnet_tf.config.fields import UsageError
from alexnet_tf.training.health import DivergedError, NonFiniteError
from alexnet_tf.training.heartbeats import PeerDisconnected
from alexnet_tf.training.signals import Stopped
from input_pipeline.errors import DataError, PackageMissing

__all__ = [
    'BackendError',
    'DataError',
    'DivergedError',
    'NonFiniteError',
    'PackageMissing',
    'PeerDisconnected',
    'Stopped',
    'UsageError',
]
