"""`--paper_tables`: the results of several runs beside the paper's."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence

from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from alexnet_tf.reports import paper_tables
from alexnet_tf.runs import build, initial_weights, results, run_directory
from input_pipeline import errors

# The paper measures changes of one of these, while all other settings are equal.
_ABLATED = ('columns', 'conv6', 'removed_layer', 'pool_size', 'normalization', 'colour_shift_sd')
# Other settings in which a network may differ from the paper's, in the text or in its source.
_OTHER = {*initial_weights.NETWORK_FIELDS, 'dropout', 'random_crops'} - {*_ABLATED, 'width'}


def run(config: schema.Config) -> None:
    """Prints the table that `--paper_tables` names, with `--compare_runs` or the runs beside it."""
    name = config.report.paper_tables
    source = paper_tables.TABLES[name].source
    named = list(map(pathlib.Path, config.report.compare_runs))
    sources = {
        directory: run_directory.read_data(directory).get('source')
        for directory in named or _list_siblings(config.run_dir)
    }
    matching = [directory for directory in sources if sources[directory] == source]
    print(paper_tables.format_table(name, read_results(matching)))
    if not matching:
        unknown = list(sources.values()).count(None)
        print(
            f'\nreport: none of {len(sources)} runs was trained on records of --source={source}'
            f'{f" ({unknown} do not say on which)" if unknown else ""}. Name other runs with '
            '--compare_runs.'
        )


def read_results(directories: Sequence[pathlib.Path]) -> list[paper_tables.Result]:
    """Reads the newest results of runs, and of ensembles whose first member they are."""
    newest = {
        (result.name, result.split, result.views): result
        for directory in directories
        for result in _read_run(directory)
    }
    return list(newest.values())


def _list_siblings(run_dir: str) -> list[pathlib.Path]:
    """Lists all runs in the parent directory of one."""
    parent = pathlib.Path(run_dir).resolve().parent
    if not parent.is_dir():
        raise errors.DataError(f'--run_dir={run_dir}: there is no {parent}. Name an existing run.')
    return [path for path in sorted(parent.glob('*')) if run_directory.holds_run(path)]


def _read_run(directory: pathlib.Path) -> Iterator[paper_tables.Result]:
    data = run_directory.read_data(directory)
    for row in results.read_newest(directory):
        if not run_directory.may_be_of(data, row['manifest_sha256']):
            continue  # evaluated on other images
        members = [directory]
        if row['weights']:
            members = list(map(pathlib.Path, row['run_dir'].split(results.MEMBER_SEPARATOR)))
            if not all(run_directory.holds_run(member) for member in members):
                continue  # moved since
        configs = list(map(run_directory.read_config, members))
        changes = {_list_changes(config) for config in configs}
        yield paper_tables.Result(
            name=row['run_dir'] if row['weights'] else str(directory),
            kinds=tuple(sorted(map(_classify, configs))),
            changes=changes.pop() if len(changes) == 1 else 'mixed',
            group=' '.join([data['manifest_sha256'], *sorted(map(_list_other_settings, configs))]),
            split=row['split'],
            views=int(row['views']),
            examples=int(row['examples']),
            errors=(float(row['top1_error']), float(row['top5_error'])),
        )


def _list_changes(config: schema.Config, names: Sequence[str] = _ABLATED) -> str:
    """Lists how the network differs from the paper's, as `name=value`."""
    recipe = build.resolve_recipe(config)
    values = {name: getattr(recipe, name) for name in names}
    papers = recipes.PAPER, recipes.SOURCE2012
    changed = (
        name for name in names if values[name] not in [getattr(paper, name) for paper in papers]
    )
    return ' '.join(f'{name}={values[name]}' for name in changed)


def _classify(config: schema.Config) -> str:
    """Returns one of `paper_tables`' kinds, or how else the network differs from the paper's."""
    changes = _list_changes(config, (*_ABLATED, *sorted(_OTHER)))
    pretrained = bool(config.training.init_weights)
    if (width := build.resolve_recipe(config).width) != 1:
        return f'width={width:g} {changes}'
    kinds = {
        (False, paper_tables.UNCHANGED): paper_tables.CNN,
        (True, paper_tables.UNCHANGED): paper_tables.PRETRAINED,
        (False, 'conv6=True'): paper_tables.CNN_CONV6,
        (True, 'conv6=True'): paper_tables.CNN_STAR,
    }
    return kinds.get((pretrained, changes), changes)


def _list_other_settings(config: schema.Config) -> str:
    """Lists every hyperparameter that is not ablated, and where the weights are from, as JSON."""
    settings = dataclasses.asdict(build.resolve_recipe(config))
    others = {name: value for name, value in settings.items() if name not in _ABLATED}
    others |= {
        'init_weights': config.training.init_weights,
        'precision': config.network.precision,
    }
    return json.dumps(others, sort_keys=True)
