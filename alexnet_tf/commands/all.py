"""Prepares, trains, evaluates, exports and reports, one after the other."""

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.commands.train import budget, fine_tuning
from alexnet_tf.config import schema
from alexnet_tf.runs import image_index


def run(config: schema.Config) -> str:
    """Runs the five modes; records that are prepared and epochs that are trained are kept.

    Nothing is prepared where `--data_dir` holds images as they lie.

    Returns:
        The `--mode` that comes next.
    """
    if config.data.source_dir or not image_index.detect_images(config.data):
        prepare.run(config)
    # Which checkpoint is used, and how many views of an image.
    config = budget.choose_views(fine_tuning.choose_settings(config))
    for command in (train, evaluate, export, report):
        command.run(config)
    return 'predict'
