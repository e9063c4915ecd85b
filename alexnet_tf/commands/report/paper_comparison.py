"""Rows of several runs, for the paper's tables."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from alexnet_tf.reports import paper_tables
from alexnet_tf.runs import run as runs
from input_pipeline import errors

# Where each table's records come from.
_SOURCES = {'ilsvrc2010': 'ilsvrc2010', 'ilsvrc2012': 'ilsvrc2012', 'fall2009': 'imagenet10k'}
# A change of one of these is what the paper measures; all else must be equal for that.
_CHANGED = ('columns', 'conv6', 'removed_layer', 'pool_size', 'normalization', 'colour_shift_sd')


def run(config: schema.Config) -> None:
    """Prints the table that `--paper_tables` names."""
    name = config.report.paper_tables
    directories = list(map(pathlib.Path, config.report.compare_runs)) or _beside(config.run_dir)
    sources = [runs.data_of(each).get('source') for each in directories]
    pairs = zip(directories, sources, strict=True)
    on_it = [each for each, source in pairs if source == _SOURCES[name]]
    print(paper_tables.text(name, measured(on_it)))
    if not on_it:
        older = sources.count(None)
        print(
            f'\nreport: none of {len(directories)} runs was trained on records of '
            f'--source={_SOURCES[name]}{f" ({older} do not say on what)" if older else ""}; '
            '--compare_runs names others.'
        )


def measured(directories) -> list[paper_tables.Measured]:
    """The newest results of some runs, and of the ensembles that they are the first of."""
    found = {_key(each): each for directory in directories for each in _rows(directory)}
    return list(found.values())


def _key(each: paper_tables.Measured):
    return each.of, each.split, each.views


def _beside(run_dir: str) -> list[pathlib.Path]:
    """All runs in the directory of one."""
    parent = pathlib.Path(run_dir).resolve().parent
    if not parent.is_dir():
        raise errors.DataError(f'--run_dir={run_dir}: there is no {parent}.')
    return [each for each in sorted(parent.glob('*')) if (each / runs.DATA).is_file()]


def _rows(directory: pathlib.Path) -> Iterator[paper_tables.Measured]:
    ours = runs.data_of(directory)['manifest_sha256']
    for row in scoring.newest_results(directory):
        if row['manifest_sha256'] != ours:
            continue  # scores of other pictures
        members = [directory]
        if row['weights']:
            members = list(map(pathlib.Path, row['run_dir'].split(scoring.JOINED)))
            if not all((each / runs.DATA).is_file() for each in members):
                continue  # they have moved
        settings = [_settings(each) for each in members]
        changes = {_changes(each) for each in settings}
        yield paper_tables.Measured(
            of=row['run_dir'] if row['weights'] else str(directory),
            kinds=tuple(sorted(map(_kind, settings))),
            changes=changes.pop() if len(changes) == 1 else 'mixed',
            group=' '.join([ours, *sorted(map(_all_else, settings))]),
            split=row['split'],
            views=int(row['views']),
            examples=int(row['examples']),
            errors=(float(row['top1_error']), float(row['top5_error'])),
        )


def _settings(directory: pathlib.Path) -> schema.Config:
    path = directory / runs.CONFIG
    if not path.is_file():
        raise errors.DataError(f'{directory} is no run: it has no {path.name}.')
    try:
        return schema.from_json(path.read_text())
    except (ValueError, schema.UsageError) as error:
        raise errors.DataError(f'{path} cannot be read: {error}') from error


def _changes(config: schema.Config) -> str:
    """What differs from the preset's network, as flags."""
    numbers = dataclasses.asdict(runs.resolve_recipe(config))
    preset = dataclasses.asdict(recipes.resolve(config.network.recipe))
    return ' '.join(f'{name}={numbers[name]}' for name in _CHANGED if numbers[name] != preset[name])


def _kind(config: schema.Config) -> str:
    """One of `paper_tables`' kinds, or what else it is."""
    pretrained, changes, width = (
        bool(config.training.init_weights),
        _changes(config),
        config.network.width,
    )
    kinds = {
        (False, paper_tables.FULL): paper_tables.CNN,
        (True, paper_tables.FULL): paper_tables.TUNED,
        (False, 'conv6=True'): paper_tables.SIX,
        (True, 'conv6=True'): paper_tables.STARRED,
    }
    if width != 1:
        return f'width={width:g} {changes}'
    return kinds.get((pretrained, changes), changes)


def _all_else(config: schema.Config) -> str:
    """All numbers but those that may be changed, and where weights are from."""
    numbers = dataclasses.asdict(runs.resolve_recipe(config))
    kept = {name: value for name, value in numbers.items() if name not in _CHANGED}
    kept |= {'width': config.network.width, 'init_weights': config.training.init_weights}
    kept |= {'precision': config.network.precision}
    return json.dumps(kept, sort_keys=True)
