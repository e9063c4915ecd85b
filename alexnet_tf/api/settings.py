"""Settings as keyword arguments, named as the flags of the command line."""

import contextlib
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from alexnet_tf.config import fields, resolution, schema, serialization
from alexnet_tf.models import recipes
from input_pipeline import errors

_FUNCTIONS = {'prepare': 'prepare', 'train': 'train', 'import': 'load_weights'}  # by --mode
_KERAS_NAMES = {
    'class_weight': 'class_weights',
    'initial_epoch': 'resume',
    'shuffle': 'reshuffle',
    'validation_freq': 'validate_every_epochs',
    'validation_split': 'validation_fraction, of images that are not prepared yet',
}
_TYPE_NAMES = {int: 'an integer', float: 'a number', bool: 'True or False', str: 'a string'}


def build_config(mode: str, values: Mapping[str, Any], *, name: str) -> schema.Config:
    """Builds the config of a command from keyword arguments.

    Args:
        mode: The `--mode` that reads the settings.
        values: Settings by the names of their flags. None is the default. A `Recipe` stands for
            its name and the settings in which it differs from the recipe of that name, as far as
            the mode reads them.
        name: Of the Python function, for messages.

    Raises:
        UsageError: There is no such setting, its value cannot be used, or settings do not go
            together.
    """
    known = {
        field.name: field
        for section in fields.get_sections(schema.Config).values()
        for field in fields.list_settings(section)
        if mode in fields.get_modes(section, field) and field.name != 'mode'
    }
    if isinstance(recipe := values.get('recipe'), recipes.Recipe):
        get_recipe(recipe.name)  # checks it
        settings = {setting: value for setting, value in values.items() if value is not None}
        overrides = recipe.list_overrides().items()
        for setting, _ in overrides:
            if setting not in fields.map_settings(schema.Config):
                raise fields.UsageError(
                    f'recipe: {name}() cannot change {setting} of {recipe.name}, for which there '
                    'is no setting. AlexNet(recipe=...) can.'
                )
        overrides = {setting: value for setting, value in overrides if setting in known}
        values = overrides | settings | {'recipe': recipe.name}
    for setting, value in values.items():
        if setting not in known or (setting in _KERAS_NAMES and isinstance(value, float)):
            raise fields.UsageError(_describe_unknown(setting, known, mode, name))
    checked = {
        setting: _convert(known[setting], value)
        for setting, value in values.items()
        if value is not None
    }
    return serialization.from_settings(resolution.complete({'mode': mode, **checked}), checked)


@contextlib.contextmanager
def name_arguments(**arguments: str) -> Iterator[None]:
    """Turns the flags in the messages of this package's errors into arguments of Python.

    Args:
        **arguments: The arguments whose names differ from their flags'.
    """
    try:
        yield
    except Exception as error:
        if hasattr(error, 'exit_code'):
            error.args = (_replace_flags(str(error), arguments),)
        raise


def get_recipe(recipe: str | recipes.Recipe) -> recipes.Recipe:
    """Returns the recipe that an argument names or is.

    Raises:
        UsageError: There is no such recipe.
    """
    if isinstance(recipe, recipes.Recipe):
        return recipe
    check_choice('recipe', recipe, tuple(recipes.RECIPES))
    return recipes.RECIPES[recipe]


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Checks that an argument is one of some values.

    Raises:
        UsageError: It is not.
    """
    if value not in choices:
        expected = ', '.join(map(str, choices))
        raise fields.UsageError(f'{name}={value!r}: expected one of {expected}.')


def is_count(value: Any) -> bool:
    """Returns whether an argument is an integer from 1, of Python or NumPy.

    >>> is_count(np.int64(2)), is_count(True), is_count(2.0)
    (True, False, False)
    """
    return isinstance(value, (int, np.integer)) and type(value) is not bool and bool(value > 0)


def check_count(name: str, value: Any) -> int:
    """Returns an argument that is an integer from 1.

    Raises:
        UsageError: It is not.
    """
    if not is_count(value):
        raise fields.UsageError(f'{name}={value!r}: expected an integer from 1.')
    return int(value)


def _replace_flags(message: str, arguments: Mapping[str, str]) -> str:
    """Replaces flags by arguments, and modes by functions.

    >>> _replace_flags('Run --mode=train first, or name another --run_dir.', {})
    'Run train() first, or name another run_dir.'
    >>> _replace_flags('Pass --source_dir=photos.', {'source_dir': 'directory'})
    'Pass directory=photos.'
    """
    message = re.sub(
        rf'(?<!alexnet_tf\.main )--mode=({"|".join(_FUNCTIONS)})( --(\w+))?\b',
        lambda match: f'{_FUNCTIONS[match[1]]}({f"{match[3]}=True" if match[3] else ""})',
        message,
    )
    flags = '|'.join(set(fields.map_settings(schema.Config)) - {'mode'})
    return re.sub(
        rf'(?<![\w/-])--({flags})\b', lambda match: arguments.get(match[1], match[1]), message
    )


def _describe_unknown(setting: str, known: Iterable[str], mode: str, name: str) -> str:
    if mode == 'train':
        if setting in _KERAS_NAMES:
            return f'{name}() has no setting {setting}. Here it is {_KERAS_NAMES[setting]}.'
        for function in (keras.Model.fit, keras.Model.compile):
            if setting in inspect.signature(function).parameters:
                call = f'{function.__name__}({setting}=...)'
                return f'{name}() does not take {setting}, but Keras does: AlexNet(...).{call}.'
    more = f' `python -m alexnet_tf.main --mode={mode} --help` lists its settings.'
    if setting in fields.map_settings(schema.Config):
        return f'{name}() does not use the setting {setting}.{more}'
    return f'{name}() has no setting {setting}.{errors.suggest(setting, known) or more}'


def _convert(field: Any, value: Any) -> Any:
    """Returns a value as the schema holds it.

    Raises:
        UsageError: It is of another type.
    """
    kind, is_list = fields.value_type(field.type)
    if is_list:
        if not isinstance(value, (list, tuple)):
            raise fields.UsageError(f'{field.name}={value!r}: expected a list.')
        return tuple(_convert_item(field, kind, item) for item in value)
    return _convert_item(field, kind, value)


def _convert_item(field: Any, kind: type, value: Any) -> Any:
    if kind is str and isinstance(value, (str, os.PathLike)):
        return os.path.expanduser(value)
    value = value.item() if hasattr(value, 'item') and not getattr(value, 'shape', ()) else value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise fields.UsageError(
            f'{field.name}={value!r}: expected {_TYPE_NAMES[kind]}. {_describe(field)}'
        )
    return value


def _describe(field: Any) -> str:
    choices = [repr(choice) for choice in field.metadata.get('choices', ()) if choice]
    return f'Choose from {", ".join(choices)}.' if choices else field.metadata['help']
