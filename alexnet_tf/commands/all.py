"""Prepares, trains, evaluates, exports and reports, one after the other."""

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.config import schema


def run(config: schema.Config) -> None:
    """Runs the five modes; records that are prepared and epochs that are trained are kept."""
    for command in (prepare, train, evaluate, export, report):
        command.run(config)
