"""Expands `--grid` into the runs of an experiment."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.runs import build, creation

BASE = 'base'  # name of the run that changes nothing
_SEED = 'seed'
# Settings that may differ between runs, beside those that are fixed in a run directory.
_OTHER_SETTINGS = ('epochs', 'stop_train_error', 'on_nonfinite', 'accumulate_steps')
_PARTS, _ALTERNATIVES, _JOINED = ';', '|', re.compile(r'\+(?=\s*-*[a-z]\w*\s*=)')
_MAX_NAME_LENGTH = 200

Texts = dict[str, str]  # values of settings by name, as on the command line


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of an experiment.

    Attributes:
        group: The settings that it changes, as 'columns=1', without the seed; the runs of a group
            differ in nothing but the seed.
        name: The settings that it changes; also the name of its directory.
        config: The config of its training.
    """

    group: str
    name: str
    config: schema.Config


def expand_grid(config: schema.Config) -> list[Trial]:
    """Expands `--grid` into every combination of alternatives; the last part changes fastest.

    Raises:
        UsageError: The grid cannot be parsed, or its settings do not go together.
    """
    parts = [_parse_part(part) for part in config.experiment.grid.split(_PARTS)]
    trials: dict[str, Trial] = {}
    for combination in itertools.product(*parts):
        settings: Texts = {}
        for alternative in combination:
            if repeated := set(alternative) & set(settings):
                raise fields.UsageError(f'--grid: two parts set {min(repeated)}.')
            settings |= alternative
        trial = _create_trial(config, settings)
        trials.setdefault(trial.name, trial)
    return list(trials.values())


def _create_trial(config: schema.Config, texts: Texts) -> Trial:
    settings = serialization.to_settings(config) | {'mode': 'train', 'grid': ''}
    allowed = {*creation.list_fixed_settings(config), *_OTHER_SETTINGS}
    known = fields.map_settings(config)
    for name in texts:
        if name not in known:
            raise fields.UsageError(f'--grid: there is no --{name}.')
        if name not in allowed:
            raise fields.UsageError(f'--grid: {name} cannot differ between runs.')
    try:
        values = {name: fields.parse_value(known[name], text) for name, text in texts.items()}
        changed = serialization.from_settings(settings | values)
    except fields.UsageError as error:
        raise fields.UsageError(f'--grid: {error}') from error
    recipe, devices = build.resolve_recipe(changed), changed.network.devices
    if changed.network.strategy == 'auto' and recipe.columns < len(devices):
        changed = serialization.replace(changed, {'devices': devices[: recipe.columns]})
    # In the order of the schema, so that a run has one name however the grid is ordered.
    settings = serialization.to_settings(changed)
    values = {name: value for name, value in settings.items() if name in texts}
    name = format_name(values)
    if '/' in name or len(name) > _MAX_NAME_LENGTH:
        raise fields.UsageError(f'--grid: {name} cannot be the name of a directory.')
    group = format_name({key: value for key, value in values.items() if key != _SEED})
    run_dir = str(pathlib.Path(config.experiment.experiment_dir) / name)
    return Trial(group, name, dataclasses.replace(changed, run_dir=run_dir))


def format_name(values: Mapping[str, Any]) -> str:
    """Formats settings as the name of a directory.

    >>> format_name({'width': 0.5, 'drop_epochs': (7, 9)})
    'width=0.5+drop_epochs=7-9'
    """
    texts = {name: fields.format_value(value) for name, value in values.items()}
    # A comma would split the name in flags that list directories.
    return '+'.join(f'{name}={text.replace(",", "-")}' for name, text in texts.items()) or BASE


def _parse_part(part: str) -> list[Texts]:
    """Returns the settings of each alternative; an empty alternative changes nothing."""
    alternatives: list[Texts] = []
    for text in map(str.strip, part.split(_ALTERNATIVES)):
        if '=' in text:
            alternatives.append(_parse_settings(text, part))
        elif not text:
            alternatives.append({})
        elif alternatives and len(alternatives[-1]) == 1:
            alternatives.append(dict.fromkeys(alternatives[-1], text))  # of the same setting
        else:
            raise _missing_setting(text, part)
    return alternatives


def _parse_settings(text: str, part: str) -> Texts:
    """Parses 'a=1+b=2' into {'a': '1', 'b': '2'}."""
    pairs = [pair.partition('=') for pair in _JOINED.split(text)]
    for name, equals, _ in pairs:
        if not equals:
            raise _missing_setting(name, part)
    settings = {name.strip().lstrip('-'): value.strip() for name, _, value in pairs}
    if len(settings) < len(pairs):
        raise fields.UsageError(f'--grid={part.strip()}: {text} sets one setting twice.')
    return settings


def _missing_setting(text: str, part: str) -> fields.UsageError:
    return fields.UsageError(
        f'--grid={part.strip()}: {text} is a value without a setting. Expected '
        'SETTING=VALUE|VALUE;SETTING=VALUE|VALUE, as activation=relu|tanh;seed=1|2.'
    )
