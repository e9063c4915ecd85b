"""Rows of several runs, for the paper's tables."""

import dataclasses
import pathlib
from collections.abc import Iterator

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.network import recipe
from alexnet_tf.reporting import paper_tables
from alexnet_tf.workflows import judging
from alexnet_tf.workflows import run as runs

# Where each table's records come from.
_SOURCES = {'ilsvrc2010': 'ilsvrc2010', 'ilsvrc2012': 'ilsvrc2012', 'fall2009': 'imagenet10k'}
# What a change of makes another experiment; batch, epochs and rates are how it was trained.
_COMPARED = (
    'columns',
    'conv6',
    'removed_layer',
    'activation',
    'pool_size',
    'normalization',
    'colour_shift_sd',
    'dropout',
)


def run(config: configs.Config) -> None:
    """Prints the table that `--paper_tables` names."""
    name = config.report.paper_tables
    directories = list(map(pathlib.Path, config.report.compare_runs)) or _beside(config.run_dir)
    on_it = [each for each in directories if runs.data_of(each).get('source') == _SOURCES[name]]
    print(paper_tables.text(name, measured(on_it)))
    if not on_it:
        print(
            f'\nreport: none of {len(directories)} runs was trained on records of '
            f'--source={_SOURCES[name]}; --compare_runs names others.'
        )


def measured(directories) -> list[paper_tables.Measured]:
    """The newest results of some runs, and of the ensembles that they are the first of."""
    found = {_key(each): each for directory in directories for each in _rows(directory)}
    return list(found.values())


def _key(each: paper_tables.Measured):
    return each.of, each.split, each.views


def _beside(run_dir: str) -> list[pathlib.Path]:
    """All runs in the directory of one."""
    parent = pathlib.Path(run_dir).parent
    return [each for each in sorted(parent.glob('*')) if (each / runs.DATA).is_file()]


def _rows(directory: pathlib.Path) -> Iterator[paper_tables.Measured]:
    for row in judging.newest_results(directory):
        members = [directory]
        if row['weights']:
            members = list(map(pathlib.Path, row['run_dir'].split(judging.JOINED)))
            if not all((each / runs.DATA).is_file() for each in members):
                continue  # they have moved
        settings = [_settings(each) for each in members]
        changes = {_changes(each) for each in settings}
        yield paper_tables.Measured(
            of=row['run_dir'] if row['weights'] else str(directory),
            networks=len(members),
            pretrained=any(each.training.init_weights for each in settings),
            changes=changes.pop() if len(changes) == 1 else 'mixed',
            data=row['manifest_sha256'],
            split=row['split'],
            views=int(row['views']),
            examples=int(row['examples']),
            errors=(float(row['top1_error']), float(row['top5_error'])),
        )


def _settings(directory: pathlib.Path) -> configs.Config:
    path = directory / runs.CONFIG
    if not path.is_file():
        raise input_pipeline.errors.DataError(f'{directory} is no run: it has no {path.name}.')
    return configs.from_json(path.read_text())


def _changes(config: configs.Config) -> str:
    """What differs from the preset's network, as flags."""
    numbers = dataclasses.asdict(runs.resolve_recipe(config))
    preset = dataclasses.asdict(recipe.resolve(config.network.recipe))
    changed = [f'{name}={numbers[name]}' for name in _COMPARED if numbers[name] != preset[name]]
    width = config.network.width
    return ' '.join(changed + ([] if width == 1 else [f'width={width:g}']))
