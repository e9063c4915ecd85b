"""`--mode=experiment`: trains and evaluates a grid of runs once each, and compares them."""

import datetime
import hashlib
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.commands.evaluate import selection
from alexnet_tf.commands.experiment import grid, processes
from alexnet_tf.config import fields, schema
from alexnet_tf.models import outputs
from alexnet_tf.plots import availability
from alexnet_tf.reports import experiment_tables, progress, provenance, tables
from alexnet_tf.runs import build, creation, results, run_directory, training_data
from alexnet_tf.training import health
from input_pipeline import files, locks
from input_pipeline.records import manifests

RUNS, CURVES, TABLE = 'runs.csv', 'curves.csv', 'table.txt'

_Rows = list[dict[str, str]]


def run(config: schema.Config) -> None:
    """Runs the trials of a grid that are not done, then writes `table.txt`, curves and plots."""
    trials = grid.expand_grid(config)
    manifest = manifests.load(config.data.data_dir)
    directory = pathlib.Path(config.experiment.experiment_dir)
    for trial in trials:
        if _find_row(directory, trial, manifest) is None:
            _check_trial(trial, manifest)
    with locks.acquire(directory):
        rows = []
        for number, trial in enumerate(trials, 1):
            title = f'experiment: {number}/{len(trials)} {trial.name}'
            if _find_row(directory, trial, manifest) is None:
                print(f'{title} (log: {_get_log_path(trial)})', flush=True)
                tables.append_csv(directory / RUNS, _run_trial(trial, manifest))
            rows.append(_find_row(directory, trial, manifest))
            print(f'{title}: {_summarize_row(rows[-1])}', flush=True)
        _write_comparison(directory, trials, rows)


def _find_row(
    directory: pathlib.Path, trial: grid.Trial, manifest: manifests.Manifest
) -> dict[str, str] | None:
    """Returns the newest row of a trial with the same settings and records, if there is one."""
    key = {'run': trial.name, 'settings': _hash_settings(trial), 'manifest_sha256': manifest.sha256}
    rows = tables.read_csv(directory / RUNS)
    return next((row for row in reversed(rows) if key.items() <= row.items()), None)


def _write_comparison(directory: pathlib.Path, trials: Sequence[grid.Trial], rows: _Rows) -> None:
    table = experiment_tables.format_table(rows)
    print(f'\n{table}')
    files.write_atomically(directory / TABLE, f'{table}\n'.encode())
    curves = {  # without epochs that another experiment has trained since
        trial.name: _read_epochs(trial)[: int(row['epochs'])]
        for trial, row in zip(trials, rows, strict=True)
    }
    lines = experiment_tables.list_epochs(curves)
    files.write_csv(directory / CURVES, [experiment_tables.CURVE_COLUMNS, *lines])
    names = [RUNS, TABLE, CURVES, *_save_plots(directory, rows, curves)]
    print(f'experiment: {directory}: {", ".join(names)}')


def _save_plots(directory: pathlib.Path, rows: _Rows, curves: dict[str, _Rows]) -> list[str]:
    """Plots the experiment if matplotlib is installed, and returns the names of the files."""
    charts = availability.load_plots()
    if not charts:
        print('experiment: no plots; for these, pip install "alexnet_tf[plots]"')
        return []
    from alexnet_tf.plots import experiments, run_plots

    errors = {
        group: {
            tables.format_views(views): experiment_tables.get_values(own, f'top1_error_{views}')
            for views in outputs.VIEWS.values()
        }
        for group, own in experiment_tables.group_rows(rows).items()
    }
    groups = {row['run']: row['group'] for row in rows}
    level = float(rows[0]['level'])
    figures = {
        'errors.svg': experiments.plot_errors(errors),
        'curves.svg': run_plots.plot_training_curves(curves, level, groups),
    }
    for name, figure in figures.items():
        charts.save_figure(figure, directory / name)
    return list(figures)


def _check_trial(trial: grid.Trial, manifest: manifests.Manifest) -> None:
    """Refuses a trial that could not be trained, before any is.

    Raises:
        UsageError: Its settings do not fit the records, or its directory has more epochs.
        DataError: Its directory holds another run.
    """
    config = trial.config
    recipe = build.resolve_recipe(config)
    training_data.check_settings(config, recipe, manifest, 1)
    selection.check_split(manifest, config.evaluation.split, '--split')
    directory = pathlib.Path(config.run_dir)
    if (directory / run_directory.DATA_FILE).exists():
        creation.check_same_run(config, manifest)
    epochs, stop_error = _read_epochs(trial), config.training.stop_train_error
    is_past_stop = any(float(row['train_top1_error']) <= stop_error for row in epochs[:-1])
    if len(epochs) > recipe.epochs or is_past_stop:
        raise fields.UsageError(
            f'{directory} has {len(epochs)} epochs, more than --epochs={recipe.epochs} and '
            f'--stop_train_error={stop_error:g} ask for. Choose another --experiment_dir.'
        )


def _hash_settings(trial: grid.Trial) -> str:
    """Hashes the settings that determine a trial's results, as 16 hexadecimal digits."""
    config = trial.config
    values = creation.list_fixed_settings(config) | {
        'epochs': build.resolve_recipe(config).epochs,
        'stop_train_error': config.training.stop_train_error,
        'on_nonfinite': config.training.on_nonfinite,
        'on_bad_record': config.input.on_bad_record,
        'checkpoint': config.evaluation.checkpoint,
        'split': config.evaluation.split,
        'views': selection.select_views(config),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _run_trial(trial: grid.Trial, manifest: manifests.Manifest) -> dict[str, object]:
    """Trains and evaluates a trial, or resumes it.

    Returns:
        Its row of `runs.csv`; of a trial that diverged, without scores.

    Raises:
        TrialFailedError: It failed for another reason than a non-finite loss.
    """
    log, status = _get_log_path(trial), experiment_tables.DONE
    for mode in ('train', 'evaluate'):
        code = processes.run_mode(trial.config, mode, log)
        if code == health.NonFiniteError.exit_code:
            status = experiment_tables.DIVERGED
            break
        if code:
            raise processes.TrialFailedError(trial.name, log, code)
    return _build_row(trial, manifest, status)


def _get_log_path(trial: grid.Trial) -> pathlib.Path:
    """Returns the file with the output of a trial's processes."""
    directory = pathlib.Path(trial.config.run_dir)
    return directory.with_name(f'{directory.name}.log')


def _read_epochs(trial: grid.Trial) -> list[dict[str, str]]:
    """Reads the rows of a trial's `summary.csv`; none if it was not trained."""
    return tables.read_csv(pathlib.Path(trial.config.run_dir) / run_directory.SUMMARY_FILE)


def _summarize_row(row: Mapping[str, str]) -> str:
    """Formats a row of `runs.csv` as one line."""
    if row['status'] != experiment_tables.DONE:
        return row['status']
    errors = [
        f'{tables.format_percent(float(row[name]))} of {tables.format_views(views)}'
        for views in map(str, outputs.VIEWS.values())
        if row[name := f'top1_error_{views}']
    ]
    duration = progress.format_duration(float(row['train_secs']))
    return f'{row["epochs"]} epochs in {duration}, top-1 error {", ".join(errors)}'


def _build_row(trial: grid.Trial, manifest: manifests.Manifest, status: str) -> dict[str, object]:
    is_done, epochs = status == experiment_tables.DONE, _read_epochs(trial)
    last = epochs[-1] if epochs and is_done else {}
    stop_error = trial.config.training.stop_train_error
    level = stop_error if stop_error > 0 else experiment_tables.LEVEL
    epochs_to_level = experiment_tables.count_epochs_to(epochs, level) if is_done else None
    versions = provenance.collect()
    return {
        'run': trial.name,
        'group': trial.group,
        'seed': trial.config.seed,
        'status': status,
        'epochs': len(epochs),
        'train_loss': last.get('train_loss', ''),
        'train_top1_error': last.get('train_top1_error', ''),
        'level': level,
        'epochs_to_level': '' if epochs_to_level is None else f'{epochs_to_level:.2f}',
        **_read_scores(trial, manifest, is_done),
        'examples': manifest.count_examples(trial.config.evaluation.split),
        **_measure_speed(epochs, manifest.count_examples(manifests.TRAIN)),
        'settings': _hash_settings(trial),
        'manifest_sha256': manifest.sha256,
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        **{name: versions[name] for name in ('commit', 'tensorflow', 'keras')},
    }


def _measure_speed(epochs: experiment_tables.Rows, examples: int) -> dict[str, str]:
    speeds = experiment_tables.get_values(epochs, 'images_per_sec')
    if not speeds:
        return {'images_per_sec': '', 'train_secs': '0'}
    seconds = len(epochs) * statistics.mean(examples / speed for speed in speeds)
    return {'images_per_sec': f'{statistics.median(speeds):.1f}', 'train_secs': f'{seconds:.0f}'}


def _read_scores(trial: grid.Trial, manifest: manifests.Manifest, is_done: bool) -> dict[str, str]:
    """Reads the errors and losses that the trial's evaluation wrote, by views; '' for no value."""
    config = trial.config
    expected = {'manifest_sha256': manifest.sha256, 'split': config.evaluation.split, 'weights': ''}
    rows = {
        int(row['views']): row
        for row in (results.read_newest(pathlib.Path(config.run_dir)) if is_done else ())
        if expected.items() <= row.items()
    }
    chosen = rows.keys() & selection.select_views(config)
    return {
        f'{name}_{views}': rows[views][name] if views in chosen else ''
        for views in outputs.VIEWS.values()
        for name in ('top1_error', 'loss')
    }
