"""An experiment trains and evaluates each run of a grid once, and compares them."""

import contextlib
import re
import shutil
import subprocess
import types

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.experiment import differences, grid, processes
from alexnet_tf.commands.experiment import trials as trials_lib
from alexnet_tf.config import schema, serialization
from alexnet_tf.evaluation import prediction_cache
from alexnet_tf.reports import tables
from alexnet_tf.training import health, state
from input_pipeline import errors

GRID = '--grid=seed=1;|activation=tanh'


def run_in_process(config, mode, log):
    """Replaces `processes.run_mode`: without the cost of a process."""
    with open(log, 'a') as file, contextlib.redirect_stdout(file):
        return main.main(['alexnet_tf', *serialization.to_flags(config, mode)])


def copy_first_run(done):
    """Returns a replacement of `processes.run_mode` that trains by copying a finished run."""

    def run_mode(config, mode, log):
        if mode == 'train':
            shutil.copytree(done / 'seed=1', config.run_dir)
        return 0

    return run_mode


@pytest.fixture(scope='module')
def done(command, data, tmp_path_factory):
    """The directory of a finished experiment."""
    directory = tmp_path_factory.mktemp('experiment')

    def run_mode(config, mode, log):
        """Trains the first run, which stands for the other one, too."""
        if config.network.activation != 'tanh':
            return run_in_process(config, mode, log)
        return copy_first_run(directory)(config, mode, log)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, 'run_mode', run_mode)
        flags = GRID, f'--experiment_dir={directory}', '--save_probabilities=float16'
        assert command('experiment', data, *flags) == 0
    return directory


def test_an_experiment_writes_a_row_for_each_run_a_table_curves_and_plots(done):
    rows = tables.read_csv(done / 'runs.csv')
    assert [(row['run'], row['group'], row['status']) for row in rows] == [
        ('seed=1', 'base', 'done'),
        ('seed=1+activation=tanh', 'activation=tanh', 'done'),
    ]
    for row in rows:
        one_view, ten_views = tables.read_csv(done / row['run'] / 'results.csv')
        assert row['top1_error_1'] == one_view['top1_error']
        assert row['top1_error_10'] == ten_views['top1_error']
        last = tables.read_csv(done / row['run'] / 'summary.csv')[-1]
        assert row['train_top1_error'] == last['train_top1_error']
        assert row['epochs'] == last['epoch'] == '2'
    curves = tables.read_csv(done / 'curves.csv')
    assert [epoch['epoch'] for epoch in curves] == ['1', '2', '1', '2']
    line = (done / 'table.txt').read_text().splitlines()[-1]
    assert len(re.findall(r'  \+0\.0  ', line)) == 2, line  # equal predictions have no interval
    for name in ('errors.svg', 'curves.svg'):
        assert (done / name).read_text().startswith('<?xml')


def test_finished_runs_are_not_repeated(done, command, data, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, 'Popen', None)
    before = (done / 'runs.csv').read_bytes()
    assert command('experiment', data, GRID, f'--experiment_dir={done}') == 0
    assert (done / 'runs.csv').read_bytes() == before
    assert 'experiment: 2/2 seed=1+activation=tanh: 2 epochs in ' in capsys.readouterr().out


def test_a_difference_is_over_the_seeds_that_are_done_in_both_groups(monkeypatch, capsys):
    """Of 100 images the first network has 20 wrong; the others have 10 or 60 more.

    The third run has diverged, the fifth is trained further, and the checkpoints of the sixth are
    lost.
    """
    wrong = dict.fromkeys(['1', '2', '3', '5', '6'], 20) | dict.fromkeys(['1+a', '2+a'], 30)
    wrong |= dict.fromkeys(['3+a', '4+a', '5+a', '6+a', '1+b'], 80)

    class Evaluator:
        def __init__(self, config, manifest):
            self.name = config.run_dir
            if self.name == '6+a':
                raise errors.DataError('no checkpoint')

        def predict(self, split, views):
            rows = np.where(np.arange(100)[:, None] < wrong[self.name], [[0.3, 0.7]], [[0.6, 0.4]])
            return prediction_cache.Predictions(rows, np.zeros(100, np.int64), [])

    monkeypatch.setattr(scoring, 'RunEvaluator', Evaluator)
    trials = []
    for name in wrong:
        seed, _, group = name.partition('+')
        config = serialization.from_settings({'run_dir': name, 'seed': int(seed), 'views': ('1',)})
        trials.append(grid.Trial(group or 'base', name, config))
    rows = [
        {'status': 'diverged' if name == '3+a' else 'done', 'epochs': '1' if name == '5+a' else '2'}
        for name in wrong
    ]
    monkeypatch.setattr(trials_lib, 'read_epochs', lambda _: [{'epoch': '2', 'step': '9'}])
    steps = {'5': 8}  # inside an epoch; the others are not on the disk
    monkeypatch.setattr(
        trials_lib,
        'read_state',
        lambda trial: state.TrainingState(step=steps.get(trial.config.run_dir, 0)),
    )
    intervals = differences.estimate_differences(trials, rows, None)
    assert intervals.keys() == {('a', 1), ('b', 1)}
    low, middle, high = intervals['a', 1]
    assert middle == pytest.approx(0.1)
    # 1.96 standard errors of a share of 10 %, of 100 images.
    np.testing.assert_allclose([low, high], [0.1 - 0.059, 0.1 + 0.059], atol=0.012)
    assert intervals['b', 1].middle == pytest.approx(0.6)
    assert '6+a is in no 95 % interval: no checkpoint' in capsys.readouterr().out


def test_only_the_new_runs_of_a_larger_grid_are_trained(done, command, data, monkeypatch):
    """The table compares a row that was read with one that was just written."""
    monkeypatch.setattr(processes, 'run_mode', copy_first_run(done))
    larger = '--grid=activation=tanh|activation=relu+dropout=0;seed=1'
    before = (done / 'runs.csv').read_text()
    assert command('experiment', data, larger, f'--experiment_dir={done}') == 0
    added = (done / 'runs.csv').read_text().removeprefix(before).splitlines()
    assert [line.split(',')[0] for line in added] == ['seed=1+activation=relu+dropout=0']
    table = (done / 'table.txt').read_text().splitlines()[-1]
    assert re.search(r'  [+-]\d+\.\d  ', table), table


def test_fewer_epochs_than_a_run_has_are_refused(done, command, data, capsys):
    directory = f'--experiment_dir={done}'
    before = (done / 'runs.csv').read_bytes()
    assert command('experiment', data, GRID, directory, '--epochs=1') == 2
    assert 'is trained to epoch 2, step 4, further than --epochs=1' in capsys.readouterr().err
    assert command('experiment', data, GRID, directory, '--max_steps=3') == 2
    assert 'further than --epochs=2, --max_steps=3' in capsys.readouterr().err
    assert command('experiment', data, GRID, directory, '--stop_train_error=1') == 2
    assert 'Choose another --experiment_dir' in capsys.readouterr().err
    assert command('experiment', data, GRID, directory, '--momentum=0.5') == 2
    assert 'was started with other settings (momentum' in capsys.readouterr().err
    assert (done / 'runs.csv').read_bytes() == before


def test_a_diverged_run_has_a_row_and_the_other_runs_are_trained(
    command, data, done, tmp_path, monkeypatch, capsys
):
    def run_mode(config, mode, log):
        if config.training.learning_rate == 1e30:
            return health.NonFiniteError.exit_code
        return copy_first_run(done)(config, mode, log)

    monkeypatch.setattr(processes, 'run_mode', run_mode)
    directory = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=learning_rate=1e30|0.001', directory) == 0
    row, other = tables.read_csv(tmp_path / 'runs.csv')
    assert other['status'] == 'done'
    assert (row['status'], row['top1_error_1'], row['train_top1_error']) == ('diverged', '', '')
    assert 'learning_rate=1e+30: diverged' in capsys.readouterr().out


@pytest.mark.slow
def test_a_failed_run_is_reported_with_its_log_and_exit_status(command, data, tmp_path, capsys):
    directory = f'--experiment_dir={tmp_path}'
    assert command('experiment', data, '--grid=crop_size=20', directory) == 2
    message = capsys.readouterr().err
    assert 'crop_size=20 failed: alexnet_tf: error: crop_size=20 leaves' in message
    assert str(tmp_path / 'crop_size=20.log') in message
    assert not (tmp_path / 'runs.csv').exists()


def test_tables_that_a_spreadsheet_has_saved_are_named(tmp_path):
    trial = grid.Trial('base', 'base', schema.Config(run_dir=str(tmp_path)))
    (tmp_path / 'summary.csv').write_text('epoch;step\n1;2\n')
    with pytest.raises(errors.DataError, match=r'summary\.csv is no table with commas'):
        trials_lib.read_epochs(trial)
    (tmp_path / 'runs.csv').write_text('run;group\nbase;base\n')
    with pytest.raises(errors.DataError, match=r'runs\.csv is no table with commas'):
        trials_lib.find_row(tmp_path, trial, types.SimpleNamespace(sha256='a'))


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--split=test',), '--split=test'),
        (('--recipe=cifar13',), 'for images of 32 x 32'),
        (('--batch_size=9', '--accumulate_steps=2'), 'cannot be divided'),
    ],
)
def test_invalid_settings_are_refused_before_any_run(
    flags, message, command, data, tmp_path, capsys
):
    directory = f'--experiment_dir={tmp_path / "runs"}'
    assert command('experiment', data, directory, '--grid=seed=1', *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'runs').exists()
    missing = f'--data_dir={tmp_path / "none"}'
    assert command('experiment', missing, directory, '--grid=seed=1') == 3
