"""The runs of an experiment, from `--grid`."""

import dataclasses
import itertools
import pathlib

from alexnet_tf import config as configs

BASE = 'base'  # an alternative, or a group of runs, that changes nothing
SEED = 'seed'
_NOT_OF_A_RUN = ('mode', 'run_dir', 'grid', 'experiment_dir', 'debug')


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run.

    Attributes:
        group: What it changes, but for the seed, as 'columns=1'; runs of a group differ in seeds.
        name: The same with the seed; the name of its directory.
        config: With which it trains.
    """

    group: str
    name: str
    config: configs.Config


def trials(config: configs.Config) -> list[Trial]:
    """Every combination of the alternatives of `--grid`, the last part's changing fastest.

    Raises:
        UsageError: A part that cannot be read, or settings that do not go together.
    """
    parts = [_alternatives(part) for part in config.experiment.grid]
    found: dict[str, Trial] = {}
    for combined in itertools.product(*parts):
        pairs = [pair for alternative in combined for pair in alternative]
        if len(dict(pairs)) < len(pairs):
            said = '+'.join(f'{name}={value}' for name, value in pairs)
            raise configs.UsageError(f'--grid: {said} sets something twice.')
        trial = _trial(config, dict(pairs))
        found.setdefault(trial.name, trial)
    return list(found.values())


def _trial(config: configs.Config, texts: dict[str, str]) -> Trial:
    name = _named(texts)
    group = _named({key: value for key, value in texts.items() if key != SEED})
    if forbidden := [each for each in _NOT_OF_A_RUN if each in texts]:
        raise configs.UsageError(f'--grid: --{forbidden[0]} cannot differ between runs.')
    if '/' in name or name.startswith('.'):
        raise configs.UsageError(f'--grid: {name} cannot be the name of a directory.')
    run_dir = str(pathlib.Path(config.experiment.experiment_dir) / name)
    alone = configs.to_settings(config) | {'mode': 'train', 'grid': (), 'run_dir': run_dir}
    try:
        changed = configs.changed(configs.from_settings(alone), texts)
    except configs.UsageError as error:
        raise configs.UsageError(f'--grid: {name}: {error}') from error
    return Trial(group, name, changed)


def _named(texts: dict[str, str]) -> str:
    return '+'.join(f'{key}={value}' for key, value in texts.items()) or BASE


def _alternatives(part: str) -> list[list[tuple[str, str]]]:
    """[(setting, value), ...] of each alternative; [] changes nothing."""
    found, latest = [], ''
    for text in part.split('|'):
        pairs = []
        for each in text.split('+') if text.strip() else []:
            name, given, value = each.strip().removeprefix('--').partition('=')
            if not given:
                name, value = latest, name  # another value of the same setting
            if not name:
                raise configs.UsageError(
                    f'--grid={part}: expected SETTING=VALUE, separated by |, as seed=1|2.'
                )
            pairs.append((name, value))
            latest = name
        found.append(pairs)
    return found
