"""Prepares, trains, evaluates, exports and reports, one after the other."""

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.commands.train import fine_tuning
from alexnet_tf.config import schema


def run(config: schema.Config) -> str:
    """Runs the five modes; records that are prepared and epochs that are trained are kept.

    Returns:
        The `--mode` that comes next.
    """
    prepare.run(config)
    config = fine_tuning.choose_settings(config)  # which checkpoint is used, for one
    for command in (train, evaluate, export, report):
        command.run(config)
    return 'predict'
