"""Configs as settings by flag name, as JSON, and as command lines."""

import dataclasses
import json
import pathlib
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from alexnet_tf.config import fields, schema
from input_pipeline import errors

CONFIG_FILE = 'config.json'  # of a run directory
RESTORE = 'Restore the file from a copy, or train again in another --run_dir.'


def from_settings(values: Mapping[str, Any], given: Iterable[str] = ()) -> schema.Config:
    """Builds a config from settings by flag name; missing ones have their defaults.

    Args:
        values: The settings.
        given: Names of those that the user gave, see `schema.Config`.

    Raises:
        UsageError: An unknown name, a value out of its bounds, or settings that do not go together.
    """
    return dataclasses.replace(fields.build(schema.Config, values), given=frozenset(given))


def to_settings(config: schema.Config) -> dict[str, Any]:
    """Returns every setting by flag name: the inverse of `from_settings`."""
    return {
        field.name: getattr(section, field.name)
        for section in fields.get_sections(config).values()
        for field in fields.list_settings(section)
    }


def to_json(config: schema.Config) -> str:
    """Returns every setting as one JSON object, in the order of the schema."""
    return json.dumps(to_settings(config), indent=2) + '\n'


def read_object(directory: pathlib.Path, name: str) -> dict[str, Any]:
    """Reads a file with a JSON object, such as CONFIG_FILE, from a run directory.

    Raises:
        DataError: The directory holds no run, or the file is damaged.
    """
    path = directory / name
    if not path.is_file():
        raise errors.DataError(
            f'{directory} is not a run directory: it has no {name}. Run --mode=train first, or '
            'name another directory.'
        )
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise errors.DataError(f'{path} is not valid JSON ({error}). {RESTORE}') from error
    if not isinstance(content, dict):
        raise errors.DataError(f'{path} holds no JSON object. {RESTORE}')
    return content


def replace(config: schema.Config, settings: Mapping[str, Any]) -> schema.Config:
    """Returns a config with some settings replaced, by flag name.

    Raises:
        UsageError: See `from_settings`.
    """
    return from_settings(to_settings(config) | dict(settings), config.given)


def fill_in(config: schema.Config, settings: Mapping[str, Any]) -> schema.Config:
    """Returns a config in which settings, by flag name, replace defaults that were not given.

    Raises:
        UsageError: See `from_settings`.
    """
    current, defaults = to_settings(config), to_settings(schema.Config())
    missing = {
        name: value
        for name, value in settings.items()
        if current[name] == defaults[name] and name not in config.given
    }
    return replace(config, missing)


def to_flags(config: schema.Config, mode: str) -> list[str]:
    """Returns flags that run `mode` with these settings, except defaults that were not given."""
    default = to_settings(schema.Config())
    return [f'--mode={mode}'] + [
        f'--{field.name}={fields.format_value(value)}'
        for section in fields.get_sections(config).values()
        for field in fields.list_settings(section)
        if field.name != 'mode'
        and mode in fields.get_modes(section, field)
        and (
            (value := getattr(section, field.name)) != default[field.name]
            or (field.name in config.given and value is not None)
        )
    ]


def to_command(config: schema.Config, mode: str) -> str:
    """Returns the command line that runs `mode` with these settings, quoted for a shell."""
    return shlex.join(['python', '-m', 'alexnet_tf.main', *to_flags(config, mode)])
