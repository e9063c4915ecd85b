"""Grids of runs: each done once, stopped with its parent, and told as it came out."""

import subprocess
import sys

import pytest

from alexnet_tf.reporting import tables
from alexnet_tf.workflows import experiment

GRID = '--grid=seed=1,|activation=tanh'


@pytest.fixture(scope='module')
def done(command, data, tmp_path_factory):
    directory = tmp_path_factory.mktemp('experiment')
    assert command('experiment', data, GRID, f'--experiment_dir={directory}') == 0
    return directory


def test_a_row_a_run_a_table_curves_and_figures(done):
    rows = tables.read_csv(done / 'runs.csv')
    assert [(each['run'], each['group'], each['status']) for each in rows] == [
        ('seed=1', 'base', 'done'),
        ('seed=1+activation=tanh', 'activation=tanh', 'done'),
    ]
    for each in rows:
        (one, ten) = tables.read_csv(done / each['run'] / 'results.csv')
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
    assert (
        'experiment: 2/2 seed=1+activation=tanh: 2 epochs, top-1 error' in capsys.readouterr().out
    )


def test_runs_that_diverge_have_a_row_and_others_go_on(command, data, tmp_path, capsys):
    where = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=learning_rate=1e30', where) == 0
    (row,) = tables.read_csv(tmp_path / 'runs.csv')
    assert (row['status'], row['top1_error_1'], row['train_top1_error']) == ('diverged', '', '')
    assert 'learning_rate=1e30: diverged' in capsys.readouterr().out


def test_a_run_that_fails_is_named_with_its_log_and_code(command, data, tmp_path, capsys):
    where = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=crop_size=20', where) == 2
    said = capsys.readouterr().err
    assert 'crop_size=20 failed: alexnet_tf: error: crop_size=20 leaves' in said
    assert str(tmp_path / 'crop_size=20.log') in said
    assert not (tmp_path / 'runs.csv').exists()


def test_a_missing_data_set_is_noticed_first(command, tmp_path, capsys):
    where = (f'--data_dir={tmp_path / "none"}', f'--experiment_dir={tmp_path / "runs"}')
    assert command('experiment', *where, '--grid=seed=1') == 3
    assert not (tmp_path / 'runs').exists()


def test_a_process_is_asked_to_stop_once_and_waited_for(tmp_path):
    script = (
        'import signal, sys, time\n'
        'def stop(*_):\n'
        '    time.sleep(0.3); print("saved", flush=True); sys.exit(0)\n'
        'signal.signal(signal.SIGTERM, stop); print("ready", flush=True)\n'
        'time.sleep(60)\n'
    )
    log = tmp_path / 'log'

    def interrupted(stream):
        with experiment._stopped_with_us([sys.executable, '-c', script], stream) as process:
            while b'ready' not in log.read_bytes():
                assert process.poll() is None
            raise KeyboardInterrupt

    with open(log, 'wb') as stream, pytest.raises(KeyboardInterrupt):
        interrupted(stream)
    assert log.read_text().split() == ['ready', 'saved']
