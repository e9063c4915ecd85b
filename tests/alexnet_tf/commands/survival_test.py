"""Killed and begun again: nothing differs from a run that was left alone."""

import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

from alexnet_tf.commands import train

SCRIPT = pathlib.Path(__file__).parents[3] / 'benchmarks' / 'survival.py'
POINTS = (
    'writing:2:KILL',  # inside the first checkpoint
    'row:1:KILL',  # behind its row, before its checkpoint
    'learned:8:TERM',  # behind the last step of all
)


MORE = (
    'saved:1:KILL',  # behind the first checkpoint
    'scoring:1:KILL',  # in the second epoch's validation
)


@pytest.fixture(scope='module')
def interrupted(data, tmp_path_factory):
    """Both runs' folder, and what the script said of them."""
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
def test_a_run_that_was_killed_again_and_again_equals_one_that_was_not(interrupted):
    _, done = interrupted
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('killed by SIGKILL') == 2
    assert 'exit 143, exit 0: equal' in done.stdout


@pytest.mark.slow
def test_at_other_points_too(data, tmp_path):
    _, done = interrupt(MORE, data, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('killed by SIGKILL') == 2


def differences(one, other):
    """As the script sees them: of weights, velocities, state, rows and TensorBoard."""
    if not SCRIPT.exists():
        pytest.skip('the package is installed without benchmarks/')
    return runpy.run_path(str(SCRIPT))['differences'](one, other)


def test_a_run_that_was_stopped_in_an_epoch_equals_one_that_was_not(
    whole, config_of, stop_after, tmp_path
):
    config = config_of(tmp_path / 'run', '--log_every_steps=1', '--profile_steps=1,2')
    trainer = train.Trainer(config)
    trainer.resume()
    trainer.epoch(trainer.rate(), stop_after(2))
    assert trainer.state.step == 2
    trainer.save()
    trainer.watch.close()
    train.run(config)
    assert differences(whole, tmp_path / 'run') == []


def test_a_difference_would_be_seen(whole, tmp_path):
    other = tmp_path / 'other'
    shutil.copytree(whole, other)
    assert differences(whole, other) == []
    summary = other / 'summary.csv'
    summary.write_text(summary.read_text().replace('\n2,', '\n4,'))
    for path in (other / 'tensorboard' / 'validation').iterdir():
        path.unlink()
    assert differences(whole, other) == ['summary.csv', 'TensorBoard']
    shutil.rmtree(max((other / 'checkpoints').glob('step-*')))  # the one before has other weights
    assert 'conv1_a/kernel' in differences(whole, other)
