"""Tiny records and a tiny network trained on them, through the public functions."""

import concurrent.futures

import pytest

from alexnet_tf.api import classifier
from alexnet_tf.api import commands as api_commands


@pytest.fixture(scope='session')
def records(shared_folder, tmp_path_factory):
    """The directory of prepared records of 24 images."""
    directory = tmp_path_factory.mktemp('api') / 'records'
    return api_commands.prepare(shared_folder, directory, shard_examples=8, validation_fraction=0.4)


@pytest.fixture(scope='session')
def tiny(tiny):
    """Settings of a tiny training run, the same as the command line's."""
    return tiny | {'devices': ['/CPU:0', '/CPU:1']}


@pytest.fixture(scope='session')
def run_dir(records, tiny, tmp_path_factory):
    """The directory of a run that was trained in a thread which is not the main one."""
    directory = tmp_path_factory.mktemp('api') / 'run'
    with concurrent.futures.ThreadPoolExecutor() as executor:
        trained = executor.submit(api_commands.train, records, directory, **tiny).result()
    assert trained.class_names == ('cat', 'dog')
    return directory


@pytest.fixture(scope='session')
def trained(run_dir):
    """The classifier of the trained run; tests must not change it."""
    return classifier.load_run(run_dir)
