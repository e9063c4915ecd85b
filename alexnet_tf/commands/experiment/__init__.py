"""`--mode=experiment`: trains and compares runs, those of a grid or those of a search."""

import contextlib
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from alexnet_tf.commands.experiment import differences, grid, search
from alexnet_tf.commands.experiment import trials as trials_lib
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.plots import availability
from alexnet_tf.reports import experiment_tables, tables
from alexnet_tf.runs import image_index, training_data
from input_pipeline import files, locks

CURVES, TABLE = 'curves.csv', 'table.txt'

_Rows = list[dict[str, str]]


def run(config: schema.Config) -> None:
    """Runs the trials of `--grid`, or without one a search of `--minutes`."""
    for gpu in tf.config.list_physical_devices('GPU'):
        with contextlib.suppress(RuntimeError):  # TensorFlow has started
            tf.config.experimental.set_memory_growth(gpu, True)  # the trials' processes need it
    training_data.check_outside(config, 'experiment_dir', config.experiment.experiment_dir)
    if config.experiment.grid:
        _run_grid(config)
    else:
        search.run(config)


def _run_grid(config: schema.Config) -> None:
    """Runs the trials of a grid that are not done, then writes `table.txt`, curves and plots."""
    trials = grid.expand_grid(config)
    manifest = image_index.load_manifest(config)
    directory = pathlib.Path(config.experiment.experiment_dir)
    for trial in trials:
        if trials_lib.find_row(directory, trial, manifest) is None:
            trials_lib.check_trial(trial, manifest)
    with locks.acquire(directory):
        rows = []
        for number, trial in enumerate(trials, 1):
            title = f'experiment: {number}/{len(trials)} {trial.name}'
            if trials_lib.find_row(directory, trial, manifest) is None:
                print(f'{title} (log: {trials_lib.get_log_path(trial)})', flush=True)
                tables.append_csv(
                    directory / trials_lib.RUNS, trials_lib.run_trial(trial, manifest)
                )
            rows.append(trials_lib.find_row(directory, trial, manifest))
            print(f'{title}: {trials_lib.summarize_row(rows[-1])}', flush=True)
        intervals = {}
        if config.evaluation.save_probabilities:
            intervals = differences.estimate_differences(trials, rows, manifest)
        _write_comparison(directory, trials, rows, experiment_tables.format_table(rows, intervals))


def _write_comparison(
    directory: pathlib.Path, trials: Sequence[grid.Trial], rows: _Rows, table: str
) -> None:
    print(f'\n{table}')
    files.write_atomically(directory / TABLE, f'{table}\n'.encode())
    curves = {  # without epochs that another experiment has trained since
        trial.name: [
            epoch
            for epoch in trials_lib.read_epochs(trial)
            if int(epoch['epoch']) <= int(row['epochs'])
        ]
        for trial, row in zip(trials, rows, strict=True)
    }
    lines = experiment_tables.list_epochs(curves)
    files.write_csv(directory / CURVES, [experiment_tables.CURVE_COLUMNS, *lines])
    names = [trials_lib.RUNS, TABLE, CURVES, *_save_plots(directory, rows, curves)]
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
