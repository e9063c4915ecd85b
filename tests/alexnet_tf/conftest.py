"""Tiny records, and a tiny network trained on them through the command line."""

import pytest

from alexnet_tf import main

TINY = {
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
def tiny():
    """Settings of a tiny training run on one device."""
    return TINY


@pytest.fixture(scope='session')
def command():
    """Runs a command line with a tiny network; returns its exit status."""
    settings = [f'--{name}={value}' for name, value in TINY.items()]

    def run(mode, *flags):
        return main.main(['alexnet_tf', f'--mode={mode}', *settings, *flags])

    return run


@pytest.fixture(scope='session')
def data(command, shared_folder, tmp_path_factory):
    """The flag that names prepared records of 24 images."""
    where = f'--data_dir={tmp_path_factory.mktemp("records")}'
    source = ('--source=folder', f'--source_dir={shared_folder}')
    more = ('--shard_examples=8', '--validation_fraction=0.4')
    assert command('prepare', where, *source, *more) == 0
    return where


@pytest.fixture(scope='session')
def trained_by_command(command, data, tmp_path_factory):
    """The directory of a run that was trained on two devices."""
    directory = tmp_path_factory.mktemp('run')
    assert command('train', data, f'--run_dir={directory}', '--devices=/CPU:0,/CPU:1') == 0
    return directory
