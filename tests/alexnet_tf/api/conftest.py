"""Tiny records and a tiny network trained on them, through the public functions."""

import pytest

from alexnet_tf.api import classifier
from alexnet_tf.api import commands as api_commands


@pytest.fixture(scope='session')
def records(shared_folder, tmp_path_factory):
    """The directory of prepared records of 24 images."""
    directory = tmp_path_factory.mktemp('api') / 'records'
    return api_commands.prepare(shared_folder, directory, shard_examples=8, validation_fraction=0.4)


@pytest.fixture(scope='session')
def tiny():
    """Settings of a tiny training run."""
    return {
        'recipe': 'paper',
        'width': 0.1,
        'crop_size': 67,
        'batch_size': 8,
        'schedule': 'list',
        'epochs': 2,
        'learning_rate': 0.001,
        'eval_batch_size': 10,
    }


@pytest.fixture(scope='session')
def run_dir(records, tiny, tmp_path_factory):
    """The directory of a trained run."""
    directory = tmp_path_factory.mktemp('api') / 'run'
    api_commands.train(records, directory, **tiny)
    return directory


@pytest.fixture(scope='session')
def trained(run_dir):
    """The classifier of the trained run; tests must not change it."""
    return classifier.load_run(run_dir)
