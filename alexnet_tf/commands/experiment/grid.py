"""The runs of an experiment, from `--grid`."""

import dataclasses
import itertools
import pathlib
import re
from typing import Any

from alexnet_tf.config import fields, schema
from alexnet_tf.runs import creation

BASE = 'base'  # what a run is called that changes nothing
_SEED = 'seed'
# What may differ beside what `beginning.owned` lists.
_MORE = ('epochs', 'stop_train_error', 'on_nonfinite')
_PARTS, _ALTERNATIVES, _TOGETHER = ';', '|', re.compile(r'\+(?=\s*-*[a-z]\w*\s*=)')

_LONGEST = 200  # of a directory's name

Texts = dict[str, str]  # of settings, by name


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
    config: schema.Config


def trials(config: schema.Config) -> list[Trial]:
    """Every combination of the alternatives of `--grid`, the last part's changing fastest.

    Raises:
        UsageError: A part that cannot be read, or settings that do not go together.
    """
    parts = [_alternatives(part) for part in config.experiment.grid.split(_PARTS)]
    found: dict[str, Trial] = {}
    for combined in itertools.product(*parts):
        together: Texts = {}
        for alternative in combined:
            if twice := set(alternative) & set(together):
                raise schema.UsageError(f'--grid: two parts set {min(twice)}.')
            together |= alternative
        trial = _trial(config, together)
        found.setdefault(trial.name, trial)
    return list(found.values())


def _trial(config: schema.Config, texts: Texts) -> Trial:
    alone = schema.to_settings(config) | {'mode': 'train', 'grid': ''}
    allowed = {*creation.owned(config), *_MORE}
    for name in texts:
        if name in alone and name not in allowed:
            raise schema.UsageError(f'--grid: {name} cannot differ between runs.')
    try:
        changed = schema.changed(schema.from_settings(alone), texts)
    except schema.UsageError as error:
        raise schema.UsageError(f'--grid: {error}') from error
    # In the order of the settings, whatever that of the grid is.
    values = {name: each for name, each in schema.to_settings(changed).items() if name in texts}
    name = _named(values)
    if '/' in name or len(name) > _LONGEST:
        raise schema.UsageError(f'--grid: {name} cannot be the name of a directory.')
    group = _named({key: value for key, value in values.items() if key != _SEED})
    run_dir = str(pathlib.Path(config.experiment.experiment_dir) / name)
    return Trial(group, name, dataclasses.replace(changed, run_dir=run_dir))


def _named(values: dict[str, Any]) -> str:
    texts = {name: fields.written(value) for name, value in values.items()}
    # A comma would divide the name where directories are listed.
    return '+'.join(f'{name}={text.replace(",", "-")}' for name, text in texts.items()) or BASE


def _alternatives(part: str) -> list[Texts]:
    """What each alternative sets; {} changes nothing."""
    found: list[Texts] = []
    for text in map(str.strip, part.split(_ALTERNATIVES)):
        if '=' in text:
            found.append(_settings(text, part))
        elif not text:
            found.append({})
        elif found and len(found[-1]) == 1:
            found.append(dict.fromkeys(found[-1], text))  # another value of the same setting
        else:
            raise _of_which_setting(text, part)
    return found


def _settings(text: str, part: str) -> Texts:
    """{'a': '1', 'b': '2'} of a=1+b=2."""
    pairs = [each.partition('=') for each in _TOGETHER.split(text)]
    for name, given, _ in pairs:
        if not given:
            raise _of_which_setting(name, part)
    found = {name.strip().lstrip('-'): value.strip() for name, _, value in pairs}
    if len(found) < len(pairs):
        raise schema.UsageError(f'--grid={part.strip()}: {text} sets something twice.')
    return found


def _of_which_setting(text: str, part: str) -> schema.UsageError:
    return schema.UsageError(
        f'--grid={part.strip()}: {text} is a value of which setting? Expected '
        'SETTING=VALUE|VALUE;SETTING=VALUE|VALUE, as activation=relu|tanh;seed=1|2.'
    )
