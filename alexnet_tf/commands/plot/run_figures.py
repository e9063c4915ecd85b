"""Figures of runs: kernels, the network, error curves."""

import dataclasses
import itertools
import pathlib

import numpy as np

from alexnet_tf.config import schema, serialization
from alexnet_tf.models import topology
from alexnet_tf.plots import charts, network_diagram, run_plots
from alexnet_tf.plots import kernels as kernels_lib
from alexnet_tf.reports import experiment_tables
from alexnet_tf.runs import build, loading, run_directory
from input_pipeline import errors

_Runs = dict[str, list[dict[str, str]]]  # rows of summary.csv by run


def plot_kernels(config: schema.Config) -> charts.FigureWithData:
    """Plots the first layer of some runs, and measures its colourfulness (figure 3)."""
    images, rows = {}, []
    pairs: dict[str, list[tuple[np.ndarray, ...]]] = {'column': [], 'half of the one column': []}
    for name, directory in _name_runs(config).items():
        run_config = dataclasses.replace(config, run_dir=str(directory))
        trained = loading.load_run(run_config, compiled=True)
        columns = kernels_lib.get_kernels(trained.model)
        title = f'{name}: {kernels_lib.describe_rows(trained.model)}'
        images[title] = kernels_lib.render_kernels(columns.values())
        shares = {
            column: kernels_lib.compute_colourfulness(kernels)
            for column, kernels in columns.items()
        }
        rows += [
            (str(directory), column, number, share)
            for column, own in shares.items()
            for number, share in enumerate(own.tolist())
        ]
        if len(shares) == 2:
            pairs['column'].append(tuple(shares.values()))
        else:  # a control: any layer reads both halves
            pairs['half of the one column'].append(tuple(np.array_split(*shares.values(), 2)))
    notes = [_describe_specialisation(part, own) for part, own in pairs.items() if own]
    for note in notes:
        print(f'plot: {note}')
    figure = run_plots.plot_kernels(images, '. '.join(notes))
    return charts.FigureWithData(figure, ('run', 'column', 'kernel', 'colourfulness'), rows)


def _describe_specialisation(part: str, pairs) -> str:
    difference, p = kernels_lib.measure_specialisation(pairs)
    shares = '; '.join(f'{a.mean():.2f} and {b.mean():.2f}' for a, b in pairs)
    return (
        f'Share of energy in colour by {part}: {shares}. '
        f'Mean difference {difference:.3f}, p = {p:.2g} (10,000 permutations)'
    )


def plot_network(config: schema.Config) -> charts.FigureWithData:
    """Plots the layers of a run's network, or, without a run, of the flags' network (figure 2)."""
    path = pathlib.Path(config.run_dir) / serialization.CONFIG_FILE
    num_classes = config.benchmark.num_classes
    if path.is_file():
        print(f'plot: the network of the run {path.parent}')
        config = run_directory.read_config(path.parent)
        num_classes = len(run_directory.read_data(path.parent)['classes'])
    recipe = build.resolve_recipe(config)
    model = build.build_model(config, recipe, num_classes, devices=(), compiled=False)
    replicated = config.network.strategy in ('mirrored', 'multi_worker')
    devices = () if replicated else config.network.devices
    by_column = dict(zip('ab', devices if len(devices) > 1 else devices * 2, strict=False))
    nodes = [
        dataclasses.replace(node, device=by_column.get(node.column or 'a', ''))
        if node.name != topology.INPUT
        else node
        for node in topology.list_nodes(model)
    ]
    figure = network_diagram.plot_network(nodes, by_column)
    return charts.FigureWithData(figure, network_diagram.HEADER, network_diagram.list_rows(nodes))


def plot_curves(config: schema.Config) -> charts.FigureWithData:
    """Plots the training and validation error of some runs."""
    runs = _read_epochs(config)
    return _with_epochs(run_plots.plot_error_curves(runs), runs)


def plot_curves_by_time(config: schema.Config) -> charts.FigureWithData:
    """Plots the validation error of some runs by the minutes of training."""
    runs, directories = _read_epochs(config), _name_runs(config)
    minutes = {name: _sum_minutes(directories[name], epochs) for name, epochs in runs.items()}
    rows = [
        (name, epoch['epoch'], f'{at:.3f}', epoch['validation_top1_error'])
        for name, epochs in runs.items()
        for epoch, at in zip(epochs, minutes[name], strict=True)
    ]
    header = ('run', 'epoch', 'minutes', 'validation_top1_error')
    return charts.FigureWithData(run_plots.plot_errors_by_time(runs, minutes), header, rows)


def _sum_minutes(directory: pathlib.Path, epochs: charts.Epochs) -> np.ndarray:
    """Computes the minutes of training up to each row of `summary.csv`, from steps and images/s.

    An epoch without a measured speed gets that of the row before; nan if there is none.
    """
    batch_size = build.resolve_recipe(run_directory.read_config(directory)).batch_size
    examples = run_directory.read_data(directory).get(run_directory.EXAMPLES_KEY, 0)  # 0: unknown
    epoch_steps = -(-examples // batch_size) or 1
    whole, rest = np.divmod(charts.get_column(epochs, 'step'), epoch_steps)
    images = np.diff(whole * (examples or batch_size) + rest * batch_size, prepend=0)
    speeds = itertools.accumulate(
        (epoch['images_per_sec'] for epoch in epochs), lambda last, own: own or last
    )
    return np.cumsum(images / [float(speed or 'nan') for speed in speeds]) / 60


def plot_training_curves(config: schema.Config) -> charts.FigureWithData:
    """Plots the training error of some runs, and prints when it reaches 25 % (figure 1)."""
    runs = _read_epochs(config)
    for name, epochs in runs.items():
        count = experiment_tables.count_epochs_to(epochs, experiment_tables.LEVEL)
        reached = 'is not reached' if count is None else f'is reached after {count:.1f} epochs'
        print(f'plot: {name}: a training error of 25 % {reached}')
    return _with_epochs(run_plots.plot_training_curves(runs, experiment_tables.LEVEL), runs)


def _with_epochs(figure: charts.Figure, runs: _Runs) -> charts.FigureWithData:
    rows = experiment_tables.list_epochs(runs)
    return charts.FigureWithData(figure, experiment_tables.CURVE_COLUMNS, rows)


def _read_epochs(config: schema.Config) -> _Runs:
    runs = {}
    for name, directory in _name_runs(config).items():
        runs[name] = run_directory.read_epochs(directory)
        if not runs[name]:
            raise errors.DataError(
                f'{directory} holds no finished epoch. Train it first (--mode=train).'
            )
    return runs


def _name_runs(config: schema.Config) -> dict[str, pathlib.Path]:
    """Returns the directories of the runs by their last names, or by whole paths if these clash."""
    paths = dict.fromkeys(config.report.compare_runs or (config.run_dir,))
    directories = [pathlib.Path(path) for path in paths]
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) < len(names):
        names = list(map(str, directories))
    return dict(zip(names, directories, strict=True))


FIGURES = {
    'kernels': plot_kernels,
    'network': plot_network,
    'curves': plot_curves,
    'curves_by_time': plot_curves_by_time,
    'training_curves': plot_training_curves,
}
