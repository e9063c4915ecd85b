"""A search by successive halving: its plan, its samples, what it keeps, and how it resumes."""

import json
import math
import pathlib
import types

import numpy as np
import pytest

from alexnet_tf import main
from alexnet_tf.commands.experiment import processes, search, trials
from alexnet_tf.config import environment, fields, schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.plots import availability
from alexnet_tf.reports import tables
from alexnet_tf.training import state as state_lib


@pytest.mark.parametrize(
    ('minutes', 'runs'),
    [(12, (3, 1)), (53, (3, 1)), (54, (9, 3, 1)), (215, (9, 3, 1)), (216, (27, 9, 3, 1))],
)
def test_minutes_are_divided_evenly_among_rungs(minutes, runs):
    rungs = search.plan_rungs(minutes)
    assert tuple(rung.runs for rung in rungs) == runs
    for rung in rungs:
        assert rung.runs * rung.minutes == pytest.approx(minutes / len(runs))


def test_more_minutes_than_any_plan_needs_make_runs_longer():
    assert search.plan_rungs(1080)[0] == search.Rung(0, 27, 10.0)


def test_too_few_minutes_for_a_search_are_refused():
    with pytest.raises(fields.UsageError, match='--minutes=11: a search needs at least 12'):
        search.plan_rungs(11)


def test_each_hyperparameter_has_one_sample_in_each_part_of_its_range():
    sampled = search.sample_candidates(recipes.MODERN, 8, seed=3, largest_crop=256)
    for name, factor in search.RANGES.items():
        centre = getattr(recipes.MODERN, name)
        logs = sorted(math.log(candidate[name] / centre, factor) for candidate in sampled)
        edges = np.linspace(-1, 1, 9)
        tolerance = 0.06 if name != 'crop_size' else math.log(1 + 8 / 96, 1.5)
        for value, low, high in zip(logs, edges[:-1], edges[1:], strict=True):
            assert low - tolerance <= value <= high + tolerance
    assert all(candidate['crop_size'] % 16 == 0 for candidate in sampled)
    again = search.sample_candidates(recipes.MODERN, 8, seed=3, largest_crop=256)
    other = search.sample_candidates(recipes.MODERN, 8, seed=4, largest_crop=256)
    assert sampled == again != other


def test_training_crops_keep_their_share_of_the_crop():
    centre = recipes.MODERN.replace(crop_size=160, training_crop_size=128)
    sampled = search.sample_candidates(centre, 8, seed=3, largest_crop=256)
    for candidate in sampled:
        training, test = candidate['training_crop_size'], candidate['crop_size']
        assert training / test == pytest.approx(0.8, abs=0.1)
        assert training % 16 == 0
    without = search.sample_candidates(
        centre.replace(training_crop_size=0), 8, seed=3, largest_crop=256
    )
    assert 'training_crop_size' not in without[0]


def test_crops_are_no_larger_than_the_images():
    sampled = search.sample_candidates(recipes.MODERN, 8, seed=3, largest_crop=160)
    assert max(candidate['crop_size'] for candidate in sampled) == 160


load_plots = availability.load_plots


class FakeTraining:
    """Stands for a process that trains: its error is known, and it moves the clock."""

    def __init__(self):
        self.calls, self.age, self.stop_at, self.failing = [], 0.0, None, ()

    def __call__(self, config, mode, log):
        training, network = config.training, config.network
        if len(self.calls) == self.stop_at:
            self.stop_at = None
            pathlib.Path(config.run_dir).mkdir()
            self.age += 30 * training.minutes
            raise KeyboardInterrupt
        self.calls.append((config.run_dir, training.minutes))
        if len(self.calls) - 1 in self.failing:
            pathlib.Path(log).write_text('out of memory')
            return 2
        self.age += 60 * training.minutes
        learning_rate = training.learning_rate or 0.05
        error = 0.2 + abs(math.log(learning_rate / 0.1)) / 20 + 0.1 / training.minutes
        chosen = {'width': network.width or 0.25, 'crop_size': network.crop_size or 96}
        settings = serialization.to_settings(config) | chosen | {'learning_rate': learning_rate}
        directory = pathlib.Path(config.run_dir)
        directory.mkdir(exist_ok=True)
        (directory / 'config.json').write_text(json.dumps(settings))
        (directory / 'data.json').write_text('{"manifest_sha256": "", "classes": []}')
        row = {'epoch': 3, 'step': 9, 'learning_rate': 0, 'train_top1_error': 0.1, 'train_loss': 1}
        row |= {'validation_top1_error': error, 'validation_loss': 1, 'images_per_sec': 100}
        tables.append_csv(directory / 'summary.csv', row)
        return 0


@pytest.fixture
def training(monkeypatch):
    fake = FakeTraining()
    monkeypatch.setattr(processes, 'run_mode', fake)
    monkeypatch.setattr(environment, 'measure_age', lambda: fake.age)
    monkeypatch.setattr(availability, 'load_plots', lambda: None)  # seconds; one test plots
    return fake


@pytest.fixture
def run_search(data, tmp_path):
    def run(*flags):
        where = f'--experiment_dir={tmp_path}'
        return main.main(['a', '--mode=experiment', '--recipe=modern', data, where, *flags])

    return run


def test_the_best_third_of_each_rung_is_trained_longer_and_the_last_run_gets_what_is_left(
    training, run_search, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(availability, 'load_plots', load_plots)
    assert run_search('--minutes=60') == 0
    minutes = [minutes for _, minutes in training.calls]
    assert minutes[:12] == pytest.approx([60 / 27] * 9 + [60 / 9] * 3)
    assert minutes[12] == pytest.approx(20, abs=0.2)
    rows = tables.read_csv(tmp_path / 'runs.csv')
    groups = [row['group'] for row in rows]
    by_error = sorted(rows[:9], key=lambda row: float(row['top1_error_1']))
    assert groups[0] == 'base'
    assert groups[9:12] == [row['group'] for row in by_error[:3]]
    assert groups[12] == groups[9]
    printed = capsys.readouterr().out
    best = f'{tmp_path}/minutes=60+rung=2+{groups[12]}'
    assert f'experiment: the best run is in {best}\n' in printed
    assert f'--mode=evaluate --run_dir={best}' in printed.replace("'", '')
    table = (tmp_path / 'table.txt').read_text().splitlines()
    assert len(table) == 2 + 13
    assert table[-1].startswith('2     19.9')  # less what an end takes
    assert (tmp_path / 'search.svg').read_text().startswith('<?xml')


def test_a_search_that_was_interrupted_resumes_where_it_was(training, run_search, tmp_path, capsys):
    training.stop_at = 5
    assert run_search('--minutes=60') == 130
    done = tables.read_csv(tmp_path / 'runs.csv')
    assert len(done) == 5
    training.age = 0.0  # a new command
    assert run_search('--minutes=60') == 0
    assert tables.read_csv(tmp_path / 'runs.csv')[:5] == done
    directories = [run_dir for run_dir, _ in training.calls]
    assert len(directories) == len(set(directories)) == 13
    # The whole of the interrupted run is counted once.
    assert training.calls[-1][1] == pytest.approx(20, abs=0.2)
    training.calls.clear()
    assert run_search('--minutes=60') == 0
    assert training.calls == []


def test_a_sampled_run_that_fails_is_the_worst_and_the_first_one_ends_the_search(
    training, run_search, tmp_path, capsys
):
    training.failing = (0,)
    assert run_search('--minutes=12') == 2
    assert 'rung=0+base failed: out of memory' in capsys.readouterr().err
    training.failing = (2,)
    training.age = 0.0
    assert run_search('--minutes=12') == 0
    rows = tables.read_csv(tmp_path / 'runs.csv')
    assert [row['status'] for row in rows] == ['done', 'failed', 'done', 'done']
    assert rows[3]['group'] != rows[1]['group']
    assert 'warning: minutes=12+rung=0+' in capsys.readouterr().out


def test_settings_that_are_given_hold_for_all_runs(training, run_search, tmp_path):
    flags = ('--width=0.1', '--crop_size=67', '--training_crop_size=0', '--weight_decay=0')
    assert run_search('--minutes=12', *flags) == 0
    groups = [row['group'] for row in tables.read_csv(tmp_path / 'runs.csv')]
    assert [group.partition('=')[0] for group in groups[:3]] == [
        'base',
        'learning_rate',
        'learning_rate',
    ]
    assert not any('+' in group for group in groups)


def test_a_search_is_refused_without_a_schedule_of_known_length(run_search, tmp_path, capsys):
    assert run_search('--minutes=60', '--schedule=plateau') == 2
    assert 'needs a schedule whose end is known' in capsys.readouterr().err
    assert run_search('--minutes=60', '--grid=seed=1') == 2
    assert 'needs either --grid' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_search_from_known_weights_keeps_their_network(training, run_search, tmp_path):
    known = tmp_path / 'known.npz'
    known.touch()
    assert run_search('--minutes=60', f'--init_weights={known}') == 0
    rows = tables.read_csv(tmp_path / 'runs.csv')
    groups = {row['group'] for row in rows}
    assert len(groups) > 2
    assert not [group for group in groups if 'width' in group or 'crop_size' in group]


def test_failed_runs_take_no_minutes_of_a_search_that_resumes(training, run_search, tmp_path):
    training.failing, training.stop_at = (1, 2), 5
    assert run_search('--minutes=60') == 130
    training.age = 0.0
    assert run_search('--minutes=60') == 0
    whole = sum(minutes for _, minutes in training.calls)
    failed = 2 * training.calls[1][1]
    assert whole - failed == pytest.approx(60, rel=0.05)


def test_a_search_prints_how_to_evaluate_its_best_run(training, run_search, data, capsys):
    assert run_search('--minutes=12') == 0
    (line,) = [text for text in capsys.readouterr().out.splitlines() if 'next:' in text]
    assert data in line
    assert '--checkpoint' not in line


@pytest.mark.parametrize(('checkpoint', 'error'), [('best', '0.1'), ('newest', '0.2')])
def test_a_run_counts_by_the_checkpoint_that_it_is_for(tmp_path, checkpoint, error):
    """A fine-tuned one ends after validations that are worse than its best one."""
    (tmp_path / 'config.json').write_text(json.dumps({'checkpoint': checkpoint}))
    (tmp_path / 'data.json').write_text('{"manifest_sha256": "", "classes": []}')
    for value in (0.3, 0.1, 0.2):
        row = dict.fromkeys(('epoch', 'step', 'learning_rate', 'train_top1_error'), 1)
        row |= {'validation_top1_error': value, 'validation_loss': 1, 'images_per_sec': 100}
        tables.append_csv(tmp_path / 'summary.csv', row)
    trial = types.SimpleNamespace(config=schema.Config(run_dir=str(tmp_path)))
    validation = trials.read_validation(trial, {'status': 'done'})
    assert validation == {'top1_error_1': error, 'loss_1': '1'}
    assert trials.find_checkpoint(str(tmp_path)) == checkpoint


@pytest.mark.parametrize(
    ('errors', 'examples', 'is_past'),
    [
        ([0.3, 0.5, 0.5], 0, False),  # where it would stop
        ([0.3, 0.5, 0.5], 8, True),
        ([0.3, 0.5, 0.5, 0.2], 0, True),
        ([0.5, 0.4, 0.3, 0.2], 8, False),
    ],
)
def test_a_run_that_went_on_after_worse_validations_is_known(errors, examples, is_past):
    state = state_lib.TrainingState(validation_errors=errors, examples=examples)
    assert trials._is_past_worse(state, 2) == is_past
    assert not trials._is_past_worse(state, 0)
