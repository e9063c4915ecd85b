"""Runs that are killed and resumed do not differ from one that was left alone."""

import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

from alexnet_tf.commands import train

SCRIPT = pathlib.Path(__file__).parents[3] / 'benchmarks' / 'survival.py'
POINTS = (
    'writing:2:KILL',  # while the first checkpoint is written
    'row:1:KILL',  # after an epoch's row, before its checkpoint
    'trained:11:TERM',  # after the last of 12 steps
)


MORE = (
    'saved:1:KILL',  # after the first checkpoint
    'validating:1:KILL',  # in the second epoch's validation
)


@pytest.fixture(scope='module')
def interrupted(data, tmp_path_factory):
    """The folder of both runs, and the finished process of the script."""
    return interrupt(POINTS, data, tmp_path_factory.mktemp('survival'))


def interrupt(points, data, work):
    if not SCRIPT.exists():
        pytest.skip('the package is installed without benchmarks/')
    tiny = ['--recipe=source2012', '--width=0.1', '--crop_size=67', '--batch_size=4']
    tiny += ['--epochs=3', '--drop_epochs=2', '--log_every_steps=2', '--eval_batch_size=10']
    command = [sys.executable, str(SCRIPT), data, '--work', str(work), '--chain']
    command += ['--points', ','.join(points), '--', *tiny]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=SCRIPT.parents[1], check=False
    )
    return work, done


@pytest.mark.slow
def test_a_run_that_is_killed_several_times_equals_one_that_is_not(interrupted):
    _, done = interrupted
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('killed by SIGKILL') == 2
    assert 'exit 143, exit 0: equal' in done.stdout


@pytest.mark.slow
def test_a_run_that_is_killed_at_other_points_equals_one_that_is_not(data, tmp_path):
    _, done = interrupt(MORE, data, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('killed by SIGKILL') == 2


def differences(one, other):
    """Differences of weights, velocities, state, rows and TensorBoard, as the script finds them."""
    if not SCRIPT.exists():
        pytest.skip('the package is installed without benchmarks/')
    return runpy.run_path(str(SCRIPT))['find_differences'](one, other)


def test_a_run_that_is_stopped_in_an_epoch_equals_one_that_is_not(
    whole, config_of, train_steps, tmp_path
):
    config = config_of(tmp_path / 'run', '--log_every_steps=1', '--profile_steps=1,2')
    assert train_steps(config, 2)['step'] == 2
    train.run(config)
    assert differences(whole, tmp_path / 'run') == []


def test_differences_between_runs_are_found(whole, tmp_path):
    other = tmp_path / 'other'
    shutil.copytree(whole, other)
    assert differences(whole, other) == []
    summary = other / 'summary.csv'
    summary.write_text(summary.read_text().replace('\n2,', '\n4,'))
    for path in (other / 'tensorboard' / 'validation').iterdir():
        path.unlink()
    assert differences(whole, other) == ['summary.csv', 'TensorBoard']
    shutil.rmtree(max((other / 'checkpoints').glob('step-*')))  # the previous one has other weights
    assert 'conv1_a/kernel' in differences(whole, other)
