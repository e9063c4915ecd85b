"""Settings as keyword arguments, named as the flags of the command line."""

import difflib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_tf.config import fields, schema, serialization

_TYPE_NAMES = {int: 'an integer', float: 'a number', bool: 'True or False', str: 'a string'}


def build_config(mode: str, values: Mapping[str, Any], *, name: str) -> schema.Config:
    """Builds the config of a command from keyword arguments.

    Args:
        mode: The `--mode` that reads the settings.
        values: Settings by the names of their flags. None is the default.
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
    for setting in values:
        if setting not in known:
            raise fields.UsageError(_describe_unknown(setting, sorted(known), name))
    checked = {
        setting: _convert(known[setting], value)
        for setting, value in values.items()
        if value is not None
    }
    return serialization.from_settings({'mode': mode, **checked})


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Checks that an argument is one of some values.

    Raises:
        UsageError: It is not.
    """
    if value not in choices:
        expected = ', '.join(map(str, choices))
        raise fields.UsageError(f'{name}={value!r}: expected one of {expected}.')


def check_batch_size(batch_size: int) -> None:
    """Checks that a batch size is an integer from 1.

    Raises:
        UsageError: It is not.
    """
    if not isinstance(batch_size, int) or batch_size < 1:
        raise fields.UsageError(f'batch_size={batch_size!r}: expected an integer from 1.')


def _describe_unknown(setting: str, known: list[str], name: str) -> str:
    close = ' or '.join(difflib.get_close_matches(setting, known, n=2))
    hint = f' Did you mean {close}?' if close else ''
    elsewhere = setting in fields.map_settings(schema.Config)
    reason = 'does not use the setting' if elsewhere else 'has no setting'
    return f'{name}() {reason} {setting}.{hint} It takes {", ".join(known)}.'


def _convert(field: Any, value: Any) -> Any:
    """Returns a value as the schema holds it.

    Raises:
        UsageError: It is of another type.
    """
    kind, is_list = fields.value_type(field.type)
    if is_list:
        if not isinstance(value, (list, tuple)):
            raise fields.UsageError(f'{field.name}={value!r}: expected a list.')
        return tuple(_convert_item(field.name, kind, item) for item in value)
    return _convert_item(field.name, kind, value)


def _convert_item(name: str, kind: type, value: Any) -> Any:
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    value = value.item() if hasattr(value, 'item') and not getattr(value, 'shape', ()) else value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise fields.UsageError(f'{name}={value!r}: expected {_TYPE_NAMES[kind]}.')
    return value
