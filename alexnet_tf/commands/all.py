"""Prepares, trains, evaluates, exports and reports, one after the other."""

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.config import schema


def run(config: schema.Config) -> str:
    """Runs the five modes; records that are prepared and epochs that are trained are kept.

    Returns:
        The `--mode` that comes next.
    """
    for command in (prepare, train, evaluate, export, report):
        command.run(config)
    return 'predict'
