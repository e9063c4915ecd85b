"""A grid of runs, each trained and scored once: a table with seeds and spread, and figures."""

import contextlib
import datetime
import hashlib
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import environment, experiment_tables, progress, tables
from alexnet_tf.training import guards
from alexnet_tf.workflows import beginning, drawing, grid, judging

RUNS, CURVES, TABLE = 'runs.csv', 'curves.csv', 'table.txt'
_DONE, _DIVERGED = 'done', 'diverged'
_LEVEL = 0.25  # of the training error, as in the paper's figure 1
_PATIENCE_SECS = 120  # for a run that was asked to stop to save


class RunFailed(Exception):
    """One of the runs ended with an error; its exit code is passed on."""

    def __init__(self, name: str, log: pathlib.Path, code: int):
        lines = log.read_text(errors='replace').strip().splitlines()
        last = lines[-1] if lines else 'it said nothing'
        super().__init__(f'{name} failed: {last} ({log}). The same command goes on with it.')
        self.exit_code = code


def run(config: configs.Config) -> None:
    """Does what is left of a grid, then writes `table.txt`, `curves.csv` and figures."""
    trials = grid.trials(config)
    manifest = input_pipeline.records.load(config.data.data_dir)
    directory = pathlib.Path(config.experiment.experiment_dir)
    directory.mkdir(parents=True, exist_ok=True)
    with input_pipeline.locks.held(directory):
        rows = []
        for number, trial in enumerate(trials, 1):
            where = f'experiment: {number}/{len(trials)} {trial.name}'
            row = _row_of(directory, trial, manifest)
            if row is None:
                print(f'{where} (log: {_log(directory, trial)})', flush=True)
                row = _made(directory, trial, manifest)
                tables.append_csv(directory / RUNS, row)
            rows.append(row)
            print(f'{where}: {_said(row)}', flush=True)
        _finish(directory, trials, rows)


def _row_of(directory: pathlib.Path, trial: grid.Trial, manifest) -> dict | None:
    """The newest row of a trial, if it is of the same settings and records."""
    same = {'run': trial.name, 'settings': _settings(trial), 'manifest_sha256': manifest.sha256}
    known = [
        row
        for row in tables.read_csv(directory / RUNS)
        if all(row[name] == value for name, value in same.items())
    ]
    return known[-1] if known else None


def _settings(trial: grid.Trial) -> str:
    """What decides a run's results, as a hash."""
    asked = trial.config
    values = beginning.owned(asked) | {
        'epochs': asked.training.epochs,
        'stop_train_error': asked.training.stop_train_error,
        'split': asked.evaluation.split,
        'views': judging.views_of(asked),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _made(directory: pathlib.Path, trial: grid.Trial, manifest) -> dict:
    """Trains and scores one run; its row."""
    began, status = time.monotonic(), _DONE
    for mode in ('train', 'evaluate'):
        code = _called(directory, trial, mode)
        if code == guards.NotFinite.exit_code:
            status = _DIVERGED
            break
        if code:
            raise RunFailed(trial.name, _log(directory, trial), code)
    run_dir = pathlib.Path(trial.config.run_dir)
    epochs = tables.read_csv(run_dir / 'summary.csv')
    last = epochs[-1] if epochs and status == _DONE else {}
    asked = trial.config.training.stop_train_error
    level = asked if asked > 0 else _LEVEL
    reached = experiment_tables.epochs_to(epochs, level)
    row = {
        'run': trial.name,
        'group': trial.group,
        'seed': trial.config.seed,
        'status': status,
        'epochs': len(epochs),
        'train_loss': last.get('train_loss', ''),
        'train_top1_error': last.get('train_top1_error', ''),
        'level': level,
        'epochs_to_level': '' if reached is None else f'{reached:.2f}',
    }
    for views in ('1', '10', '9'):
        scored = [each for each in _scores(run_dir, trial, manifest) if each['views'] == views]
        for name in ('top1_error', 'loss'):
            known = scored and status == _DONE
            row[f'{name}_{views}'] = scored[-1][name] if known else ''
    speeds = [float(each['images_per_sec']) for each in epochs]
    return row | {
        'examples': manifest.examples(trial.config.evaluation.split),
        'images_per_sec': f'{statistics.median(speeds):.1f}' if speeds else '',
        'secs': f'{time.monotonic() - began:.0f}',
        'settings': _settings(trial),
        'manifest_sha256': manifest.sha256,
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        **{name: environment.found()[name] for name in ('commit', 'tensorflow', 'keras')},
    }


def _scores(run_dir: pathlib.Path, trial: grid.Trial, manifest) -> list[dict]:
    """The rows of a run's results that are of one network, these records and this split."""
    split = trial.config.evaluation.split
    return [
        each
        for each in judging.newest_results(run_dir)
        if each['manifest_sha256'] == manifest.sha256
        and each['split'] == split
        and not each['weights']
    ]


def _called(directory: pathlib.Path, trial: grid.Trial, mode: str) -> int:
    """Runs one mode of a trial in a process of its own; its exit status."""
    command = [sys.executable, '-m', 'alexnet_tf.main', *configs.flags(trial.config, mode)]
    with open(_log(directory, trial), 'ab') as log, _stopped_with_us(command, log) as process:
        return process.wait()


@contextlib.contextmanager
def _stopped_with_us(command, log) -> Iterator[subprocess.Popen]:
    """A process that is asked to stop, once, when this one is."""
    # A session of its own: Ctrl-C would reach it twice, and the second time it does not save.
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    except BaseException:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECS)
        process.kill()
        raise


def _log(directory: pathlib.Path, trial: grid.Trial) -> pathlib.Path:
    return directory / f'{trial.name}.log'


def _said(row) -> str:
    if row['status'] == _DIVERGED:
        return 'diverged'
    errors = [
        f'{tables.percent(float(row[f"top1_error_{views}"]))} of {views} '
        f'{"view" if views == "1" else "views"}'
        for views in ('1', '10', '9')
        if row[f'top1_error_{views}'] != ''
    ]
    took = progress.duration(float(row['secs']))
    return f'{row["epochs"]} epochs, top-1 error {", ".join(errors)} ({took})'


def _finish(directory: pathlib.Path, trials: list[grid.Trial], rows: list[dict]) -> None:
    """Writes what the runs have come to."""
    text = experiment_tables.text(rows)
    print(f'\n{text}')
    input_pipeline.files.write_atomically(directory / TABLE, f'{text}\n'.encode())
    curves = {
        trial.name: tables.read_csv(pathlib.Path(trial.config.run_dir) / 'summary.csv')
        for trial in trials
    }
    header = ('epoch', 'learning_rate', 'train_top1_error', 'validation_top1_error')
    lines = [
        (name, *(row[each] for each in header)) for name, epochs in curves.items() for row in epochs
    ]
    input_pipeline.files.write_csv(directory / CURVES, [('run', *header), *lines])
    written = [RUNS, TABLE, CURVES]
    if drawing.at_hand():
        from alexnet_tf.reporting import experiment_figures, figures

        groups = {trial.name: trial.group for trial in trials}
        for name, figure in (
            ('errors', experiment_figures.errors(rows)),
            ('curves', experiment_figures.training_curves(curves, groups, float(rows[0]['level']))),
        ):
            figures.save(figure, directory / f'{name}.svg')
            written.append(f'{name}.svg')
    print(f'experiment: {directory}: {", ".join(written)}')
