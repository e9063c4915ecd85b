"""Figures of runs: kernels, the network, curves. Wants matplotlib."""

import dataclasses
import pathlib

from alexnet_tf.commands.plot import availability
from alexnet_tf.config import schema
from alexnet_tf.models import topology
from alexnet_tf.plots import kernels as first_layer
from alexnet_tf.plots import network_diagram, run_plots
from alexnet_tf.reports import experiment_tables, tables
from alexnet_tf.runs import run as runs
from input_pipeline import errors


def kernels(config: schema.Config) -> availability.Drawn:
    """The first layer of one or several runs, and how colourful it is (figure 3)."""
    pictures, rows, pairs = {}, [], []
    for name, directory in _runs(config).items():
        trained = runs.load(dataclasses.replace(config, run_dir=str(directory)), compiled=True)
        columns = first_layer.of(trained.model, trained.recipe.columns)
        pictures[name] = first_layer.picture(list(columns.values()))
        shares = {column: first_layer.colourfulness(each) for column, each in columns.items()}
        rows += [
            (str(directory), column, at, share)
            for column, each in shares.items()
            for at, share in enumerate(each.tolist())
        ]
        pairs += [tuple(shares.values())] if len(shares) == 2 else []
    note = 'Share of energy in colour by column: ' + '; '.join(
        ' and '.join(f'{each.mean():.2f}' for each in pair) for pair in pairs
    )
    if pairs:
        difference, p = first_layer.specialisation(pairs)
        note += f'. Mean difference {difference:.3f}, p = {p:.2g} (10,000 permutations)'
        print(f'draw: {note}')
    figure = run_plots.kernels(pictures, note if pairs else '')
    return availability.Drawn(figure, ('run', 'column', 'kernel', 'colourfulness'), rows)


def network(config: schema.Config) -> availability.Drawn:
    """The network, from the model itself (figure 2); of flags, where there is no run."""
    path = pathlib.Path(config.run_dir) / runs.CONFIG
    asked, classes = config, config.benchmark.num_classes
    if path.is_file():
        asked = schema.from_json(path.read_text())
        classes = len(runs.data_of(path.parent)['classes'])
    numbers = runs.resolve_recipe(asked)
    model = runs.build_model(asked, numbers, classes, devices=(), compiled=False)
    whole = asked.network.strategy in ('mirrored', 'multi_worker')
    devices = () if whole else asked.network.devices
    by_column = dict(zip('ab', devices if len(devices) > 1 else devices * 2, strict=False))
    parts = [
        dataclasses.replace(each, device=by_column.get(each.column or 'a', ''))
        if each.name != topology.INPUT
        else each
        for each in topology.parts(model)
    ]
    return availability.Drawn(
        network_diagram.figure(parts, by_column),
        network_diagram.HEADER,
        network_diagram.rows(parts),
    )


def curves(config: schema.Config) -> availability.Drawn:
    """Training and validation error of several runs."""
    every = _epochs(config)
    return availability.Drawn(run_plots.curves(every), *_epoch_rows(every))


def training_curves(config: schema.Config) -> availability.Drawn:
    """Training error, and epochs to 25 % (figure 1)."""
    every = _epochs(config)
    for name, epochs in every.items():
        reached = experiment_tables.epochs_to(epochs)
        said = 'does not reach' if reached is None else f'after {reached:.1f} epochs reaches'
        print(f'draw: {name} {said} a training error of 25 %')
    return availability.Drawn(run_plots.training_curves(every), *_epoch_rows(every))


def _epochs(config) -> dict[str, list[dict[str, str]]]:
    found = {}
    for name, directory in _runs(config).items():
        found[name] = tables.read_csv(directory / 'summary.csv')
        if not found[name]:
            raise errors.DataError(f'{directory} holds no finished epoch.')
    return found


def _epoch_rows(every):
    header = ('epoch', 'learning_rate', 'train_top1_error', 'validation_top1_error')
    rows = [
        (name, *(row[each] for each in header)) for name, epochs in every.items() for row in epochs
    ]
    return ('run', *header), rows


def _runs(config) -> dict[str, pathlib.Path]:
    """The runs by names that tell them apart."""
    asked = dict.fromkeys(config.report.compare_runs or (config.run_dir,))
    every = [pathlib.Path(each) for each in asked]
    short = [each.resolve().name for each in every]
    alike = len(set(short)) < len(short)
    return dict(zip(map(str, every) if alike else short, every, strict=True))
