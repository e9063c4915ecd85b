"""Runs of a tiny network, and steps of them."""

import contextlib
import csv
import dataclasses
import itertools
import shutil
import signal
import types

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.commands import train
from alexnet_tf.config import flags as flags_lib
from alexnet_tf.training import checkpoint, evaluator, signals, steps


@pytest.fixture(scope='session')
def train_steps():
    """Trains a run for some steps, stops it as SIGTERM does, and returns the state it saved."""

    def run(config, steps):
        training = train.create_trainer(config)
        stop, counter = signals.StopRequest(), itertools.count(1)

        def step(*batch):
            result = training.learner.step(*batch)
            if next(counter) == steps:
                stop.number = signal.SIGTERM
            return result

        learner = dataclasses.replace(training.learner, step=step)
        stoppable = dataclasses.replace(training, learner=learner)
        with contextlib.closing(training.monitor), pytest.raises(signals.Stopped):
            stoppable.train(train.resume_or_create(stoppable), stop)
        return checkpoint.read_state(training.find_newest_checkpoint())

    return run


@pytest.fixture(scope='session')
def idle():
    """Replaces step and validation of a trainer by ones that take no time, to test the rest."""

    def replace(training):
        squares = tf.zeros(len(training.learner.model.trainable_variables))
        one = steps.StepResult(tf.ones(3), tf.constant(True), squares, tf.constant(1.0))
        learner = dataclasses.replace(training.learner, step=lambda *_: one)
        results = evaluator.Evaluation({'loss': 1.0, 'top1_error': 0.5, 'top5_error': 0.0}, {})
        validation = types.SimpleNamespace(evaluate=lambda *_, **__: results)
        return dataclasses.replace(training, learner=learner, evaluator=validation)

    return replace


@pytest.fixture
def damaged(data, tmp_path):
    """Flips a byte of a split's first shard in a copy of the records; returns the copy's flag."""

    def damage(split):
        directory = shutil.copytree(data.removeprefix('--data_dir='), tmp_path / 'records')
        path = min(directory.glob(f'{split}-*'))
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)
        return f'--data_dir={directory}'

    return damage


@pytest.fixture(scope='session')
def trained(trained_by_command):
    """The directory of a run that was trained on two devices."""
    return trained_by_command


@pytest.fixture(scope='session')
def config_of(data):
    """Parses the config of a tiny training run."""

    def parse(run_dir, *flags):
        argv = ['alexnet_tf', '--mode=train', data, f'--run_dir={run_dir}', '--recipe=paper']
        tiny = ['--width=0.1', '--crop_size=67', '--batch_size=4', '--schedule=list']
        return flags_lib.parse([*argv, *tiny, '--epochs=3', '--drop_epochs=2', *flags])

    return parse


@pytest.fixture(scope='session')
def whole(config_of, tmp_path_factory):
    """The directory of an uninterrupted run of three epochs; tests must not change it."""
    directory = tmp_path_factory.mktemp('whole')
    train.run(config_of(directory, '--log_every_steps=1', '--profile_steps=1,2'))
    return directory


@pytest.fixture(scope='session')
def rows():
    """Reads the rows of a run's summary.csv without their speed."""

    def read(directory):
        with open(directory / 'summary.csv') as file:
            return [
                {key: value for key, value in row.items() if key != 'images_per_sec'}
                for row in csv.DictReader(file)
            ]

    return read


@pytest.fixture(scope='session')
def variables():
    """Reads the arrays of a run's newest checkpoint."""

    def read(directory):
        newest = sorted((directory / 'checkpoints').glob('step-*'))[-1]
        with np.load(newest / 'variables.npz') as saved:
            return dict(saved)

    return read
