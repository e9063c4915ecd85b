"""The whole way: prepare, train, evaluate, export, report."""

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.config import schema


def run(config: schema.Config) -> None:
    """Runs each workflow in turn; records and training that stand are not done again."""
    for workflow in (prepare, train, evaluate, export, report):
        workflow.run(config)
