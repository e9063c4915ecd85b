"""Grids of runs: each done once, stopped with its parent, and told as it came out."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from alexnet_tf import main
from alexnet_tf.commands.experiment import trial
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.training import signals

GRID = '--grid=seed=1;|activation=tanh'


def in_process(each, mode):
    """A run as a call: what it comes to without a process of its own."""
    with open(trial.log(each), 'a') as log, contextlib.redirect_stdout(log):
        return main.main(['alexnet_tf', *schema.flags(each.config, mode)])


def as_before(done):
    """Calls that come to what the first run of an experiment has come to."""

    def called(each, mode):
        if mode == 'train':
            shutil.copytree(done / 'seed=1', each.config.run_dir)
        return 0

    return called


@pytest.fixture(scope='module')
def done(command, data, tmp_path_factory):
    directory = tmp_path_factory.mktemp('experiment')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, '_called', in_process)
        assert command('experiment', data, GRID, f'--experiment_dir={directory}') == 0
    return directory


def test_a_row_a_run_a_table_curves_and_figures(done):
    rows = tables.read_csv(done / 'runs.csv')
    assert [(each['run'], each['group'], each['status']) for each in rows] == [
        ('seed=1', 'base', 'done'),
        ('seed=1+activation=tanh', 'activation=tanh', 'done'),
    ]
    for each in rows:
        one, ten = tables.read_csv(done / each['run'] / 'results.csv')
        assert (each['top1_error_1'], each['top1_error_10']) == (
            one['top1_error'],
            ten['top1_error'],
        )
        last = tables.read_csv(done / each['run'] / 'summary.csv')[-1]
        assert each['train_top1_error'] == last['train_top1_error']
        assert each['epochs'] == last['epoch'] == '2'
    curves = tables.read_csv(done / 'curves.csv')
    assert [each['epoch'] for each in curves] == ['1', '2', '1', '2']
    assert 'activation=tanh' in (done / 'table.txt').read_text()
    for name in ('errors.svg', 'curves.svg'):
        assert (done / name).read_text().startswith('<?xml')


def test_nothing_is_repeated(done, command, data, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, 'Popen', None)
    before = (done / 'runs.csv').read_bytes()
    assert command('experiment', data, GRID, f'--experiment_dir={done}') == 0
    assert (done / 'runs.csv').read_bytes() == before
    assert 'experiment: 2/2 seed=1+activation=tanh: 2 epochs in ' in capsys.readouterr().out


def test_a_grid_that_grows_does_what_is_new(done, command, data, monkeypatch):
    """The difference is there although one row was read back and the other just made."""
    monkeypatch.setattr(trial, '_called', as_before(done))
    grown = '--grid=activation=tanh|activation=relu+dropout=0;seed=1'
    before = (done / 'runs.csv').read_text()
    assert command('experiment', data, grown, f'--experiment_dir={done}') == 0
    added = (done / 'runs.csv').read_text().removeprefix(before).splitlines()
    assert [line.split(',')[0] for line in added] == ['seed=1+activation=relu+dropout=0']
    table = (done / 'table.txt').read_text().splitlines()[-1]
    assert re.search(r'  [+-]\d+\.\d  ', table), table


def test_fewer_epochs_than_a_run_has_are_refused(done, command, data, capsys):
    where = f'--experiment_dir={done}'
    before = (done / 'runs.csv').read_bytes()
    assert command('experiment', data, GRID, where, '--epochs=1') == 2
    assert 'has 2 epochs, more than --epochs=1' in capsys.readouterr().err
    assert command('experiment', data, GRID, where, '--stop_train_error=1') == 2
    assert 'Name another --experiment_dir' in capsys.readouterr().err
    assert command('experiment', data, GRID, where, '--momentum=0.5') == 2
    assert 'was begun with other settings (momentum' in capsys.readouterr().err
    assert (done / 'runs.csv').read_bytes() == before


def test_runs_that_diverge_have_a_row_and_others_go_on(
    command, data, done, tmp_path, monkeypatch, capsys
):
    def called(each, mode):
        if each.config.training.learning_rate == 1e30:
            return signals.NotFinite.exit_code
        return as_before(done)(each, mode)

    monkeypatch.setattr(trial, '_called', called)
    where = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=learning_rate=1e30|0.001', where) == 0
    row, other = tables.read_csv(tmp_path / 'runs.csv')
    assert other['status'] == 'done'
    assert (row['status'], row['top1_error_1'], row['train_top1_error']) == ('diverged', '', '')
    assert 'learning_rate=1e+30: diverged' in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_fails_is_named_with_its_log_and_code(command, data, tmp_path, capsys):
    where = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=crop_size=20', where) == 2
    said = capsys.readouterr().err
    assert 'crop_size=20 failed: alexnet_tf: error: crop_size=20 leaves' in said
    assert str(tmp_path / 'crop_size=20.log') in said
    assert not (tmp_path / 'runs.csv').exists()


def test_a_killed_run_is_no_failure_of_its_own(tmp_path):
    log = tmp_path / 'log'
    log.write_text('epoch 3/10')
    failed = trial.RunFailed('seed=1', log, -9)
    assert 'seed=1 was killed by SIGKILL, as the system does when memory runs out' in str(failed)
    assert failed.exit_code == 137


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (('--split=test',), '--split=test'),
        (('--recipe=cifar13',), 'for pictures of 32 x 32'),
        (('--batch_size=9', '--accumulate_steps=2'), 'cannot be divided'),
    ],
)
def test_what_cannot_be_is_noticed_first(flags, said, command, data, tmp_path, capsys):
    where = f'--experiment_dir={tmp_path / "runs"}'
    assert command('experiment', data, where, '--grid=seed=1', *flags) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()
    missing = f'--data_dir={tmp_path / "none"}'
    assert command('experiment', missing, where, '--grid=seed=1') == 3


def test_a_process_is_asked_to_stop_once_and_waited_for(tmp_path):
    script = (
        'import signal, sys, time\n'
        'def stop(*_):\n'
        '    time.sleep(0.3); print("saved", flush=True); sys.exit(0)\n'
        'signal.signal(signal.SIGTERM, stop); print("ready", flush=True)\n'
        'time.sleep(60)\n'
    )
    log = tmp_path / 'log'

    def struck(stream, number):
        with trial.stopped_with_us([sys.executable, '-c', script], stream) as process:
            while log.read_bytes().split()[-1:] != [b'ready']:
                assert process.poll() is None
            signal.raise_signal(number)
            time.sleep(60)

    for number in (signal.SIGINT, signal.SIGHUP):
        with open(log, 'ab') as stream, pytest.raises(KeyboardInterrupt):
            struck(stream, number)
    assert log.read_text().split() == ['ready', 'saved'] * 2
