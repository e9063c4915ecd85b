"""The whole way: prepare, train, evaluate, export, report."""

from alexnet_tf import config as configs
from alexnet_tf.workflows import evaluate, export, prepare, report, train


def run(config: configs.Config) -> None:
    """Runs each workflow in turn; records and training that stand are not done again."""
    for workflow in (prepare, train, evaluate, export, report):
        workflow.run(config)
