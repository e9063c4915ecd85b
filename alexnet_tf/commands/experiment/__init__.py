"""A grid of runs, each trained and scored once: a table with seeds and spread, and figures."""

import pathlib

from alexnet_tf.commands.experiment import grid, trial
from alexnet_tf.commands.plot import availability
from alexnet_tf.config import schema
from alexnet_tf.reports import experiment_tables, tables
from input_pipeline import files, locks
from input_pipeline.records import manifests

RUNS, CURVES, TABLE = 'runs.csv', 'curves.csv', 'table.txt'
_OF_EPOCHS = ('epoch', 'learning_rate', 'train_top1_error', 'validation_top1_error')


def run(config: schema.Config) -> None:
    """Does what is left of a grid, then writes `table.txt`, `curves.csv` and figures."""
    trials = grid.trials(config)
    manifest = manifests.load(config.data.data_dir)
    directory = pathlib.Path(config.experiment.experiment_dir)
    for each in trials:
        if _row_of(directory, each, manifest) is None:
            trial.check(each, manifest)
    directory.mkdir(parents=True, exist_ok=True)
    with locks.held(directory):
        rows = []
        for number, each in enumerate(trials, 1):
            where = f'experiment: {number}/{len(trials)} {each.name}'
            if _row_of(directory, each, manifest) is None:
                print(f'{where} (log: {trial.log(each)})', flush=True)
                tables.append_csv(directory / RUNS, trial.made(each, manifest))
            rows.append(_row_of(directory, each, manifest))
            print(f'{where}: {trial.said(rows[-1])}', flush=True)
        _finish(directory, trials, rows)


def _row_of(directory: pathlib.Path, each: grid.Trial, manifest) -> dict[str, str] | None:
    """The newest row of a run, if it is of the same settings and records."""
    same = {
        'run': each.name,
        'settings': trial.settings(each),
        'manifest_sha256': manifest.sha256,
    }
    known = [
        row
        for row in tables.read_csv(directory / RUNS)
        if all(row[name] == value for name, value in same.items())
    ]
    return known[-1] if known else None


def _finish(directory: pathlib.Path, trials: list[grid.Trial], rows: list[dict[str, str]]) -> None:
    """Writes what the runs have come to."""
    text = experiment_tables.text(rows)
    print(f'\n{text}')
    files.write_atomically(directory / TABLE, f'{text}\n'.encode())
    curves = {}
    for each, row in zip(trials, rows, strict=True):
        epochs = tables.read_csv(pathlib.Path(each.config.run_dir) / 'summary.csv')
        curves[each.name] = epochs[: int(row['epochs'])]  # another experiment may have gone on
    lines = [
        (name, *(row[each] for each in _OF_EPOCHS))
        for name, epochs in curves.items()
        for row in epochs
    ]
    files.write_csv(directory / CURVES, [('run', *_OF_EPOCHS), *lines])
    written = [RUNS, TABLE, CURVES, *_draw(directory, trials, rows, curves)]
    print(f'experiment: {directory}: {", ".join(written)}')


def _draw(directory: pathlib.Path, trials, rows, curves) -> list[str]:
    """The figures; their names."""
    if not availability.at_hand():
        print('experiment: without figures: pip install "alexnet_tf[plots]" draws them')
        return []
    from alexnet_tf.plots import charts, experiments, run_plots

    groups = {each.name: each.group for each in trials}
    drawn = {
        'errors.svg': experiments.errors(rows),
        'curves.svg': run_plots.training_curves(curves, float(rows[0]['level']), groups),
    }
    for name, figure in drawn.items():
        charts.save(figure, directory / name)
    return list(drawn)
