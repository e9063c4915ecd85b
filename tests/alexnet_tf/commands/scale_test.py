"""Several replicas: on two devices of one host, and of two workers, processes on this host."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from alexnet_tf.commands import train

FLAGS = (
    '--recipe=source2012',
    '--width=0.1',
    '--crop_size=67',
    '--batch_size=4',
    '--drop_epochs=2',
    '--learning_rate=0.003',
    '--eval_batch_size=10',
    '--log_every_steps=1',
)


@pytest.fixture(scope='module')
def alone(config_of, tmp_path_factory):
    """A run of three epochs on one device."""
    directory = tmp_path_factory.mktemp('alone')
    train.run(config_of(directory, *FLAGS))
    return directory


def check_same(one, other, variables, rows):
    """Compares two runs, up to the rounding of sums in another order."""
    expected, actual = variables(one), variables(other)
    assert expected.keys() == actual.keys()
    for name, value in actual.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-3, atol=2e-6, err_msg=name)
    for row, expected_row in zip(rows(other), rows(one), strict=True):
        for name, value in row.items():
            assert float(value) == pytest.approx(float(expected_row[name]), rel=1e-4), name


@pytest.mark.slow
def test_replicas_on_two_devices_train_as_one_does(config_of, tmp_path, alone, variables, rows):
    mirrored = ('--strategy=mirrored', '--devices=/CPU:0,/CPU:1', '--accumulate_steps=2')
    train.run(config_of(tmp_path, *FLAGS, *mirrored))
    check_same(alone, tmp_path, variables, rows)


def free_ports(number):
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(('127.0.0.1', 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def start_workers(data, run_dir, *more):
    """Starts the two processes of a cluster."""
    addresses = [f'127.0.0.1:{port}' for port in free_ports(2)]
    flags = [data, f'--run_dir={run_dir}', '--schedule=list', '--strategy=multi_worker', *FLAGS]
    return [
        subprocess.Popen(
            [sys.executable, '-m', 'alexnet_tf.main', '--mode=train', *flags, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                'TF_CONFIG': json.dumps(
                    {
                        'cluster': {'worker': addresses},
                        'task': {'type': 'worker', 'index': index},
                    }
                )
            },
        )
        for index in range(2)
    ]


@pytest.mark.slow
def test_two_workers_resume_after_one_was_killed(data, tmp_path, alone, variables, rows):
    first = start_workers(data, tmp_path, '--epochs=500')
    for line in first[0].stdout:
        if line.startswith('[1/2] epoch 2/'):
            first[1].send_signal(signal.SIGKILL)
            break
    _, stderr = first[0].communicate(timeout=100)
    first[1].communicate()
    assert first[0].returncode == 75
    assert 'nothing came from the worker with index 1 (127.0.0.1:' in stderr
    second = start_workers(data, tmp_path, '--epochs=3')
    outputs = [process.communicate(timeout=100) for process in second]
    assert 'train: resumes from' in outputs[0][0], outputs[0]
    assert ['done, 3 epochs' in stdout for stdout, _ in outputs] == [True, True]
    check_same(alone, tmp_path, variables, rows)
