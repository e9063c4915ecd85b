"""What a setting is: a dataclass field with help, bounds and the modes that read it."""

import dataclasses
import math
import re
import typing
from collections.abc import Mapping
from typing import Any, ClassVar

_BOOLEANS = {'true': True, 't': True, '1': True, 'false': False, 'f': False, '0': False}
_TYPE_NAMES = {int: 'an integer', float: 'a number', bool: 'true or false', str: 'text'}


class UsageError(ValueError):
    """A setting that cannot be used; the message says what was given and what is accepted."""

    exit_code = 2


def setting(default: Any, help: str, **metadata) -> Any:
    """Declares a setting, a field of a `Section`.

    Args:
        default: Its value if nothing is given. None: the recipe's value, or as `help` says.
        help: What the setting does, as `--help` shows it.
        **metadata: `low` and `high`, inclusive bounds; `choices`, the accepted values, or a dict
            from each value to its meaning; `pattern`, a regular expression that matches the whole
            value, and `expected`, its description; `aliases`, a dict from old spellings of values
            to new ones; `metavar`, a placeholder for the value in help; `modes`, if they are not
            those of its section; `listed`, the modes whose `--help` lists it, if not all do.
    """
    return dataclasses.field(default=default, metadata={'help': help, **metadata})


class Section:
    """Settings that belong together. Checks every value, and replaces aliases, when built.

    Attributes:
        modes: The values of `--mode` that read its settings, unless a setting names others.
    """

    modes: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        for field in list_settings(self):
            value = normalize(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)


def normalize(field: dataclasses.Field, value: Any) -> Any:
    """Checks a setting's value, and replaces an alias by the current spelling.

    Raises:
        UsageError: The value has the wrong type, or is out of the setting's bounds.
    """
    value = tuple(value) if isinstance(value, list) else value
    if value is None and type(None) in typing.get_args(field.type):
        return None
    _check_type(field, value)
    if not isinstance(value, tuple):
        value = field.metadata.get('aliases', {}).get(value, value)
    for item in value if isinstance(value, tuple) else (value,):
        _check_bounds(field, item)
    return value


def _check_type(field: dataclasses.Field, value: Any) -> None:
    kind, is_list = value_type(field.type)
    kinds = (int, float) if kind is float else kind
    for item in value if isinstance(value, tuple) else (value,):
        is_of_kind = isinstance(item, kinds) and isinstance(item, bool) == (kind is bool)
        if not is_of_kind or isinstance(value, tuple) != is_list:
            shown = format_value(value)
            raise UsageError(f'--{field.name}={shown}: expected {_describe_type(field)}.')


def _describe_type(field: dataclasses.Field) -> str:
    kind, is_list = value_type(field.type)
    return f'{"comma-separated values, each " if is_list else ""}{_TYPE_NAMES[kind]}'


def _check_bounds(field: dataclasses.Field, value: Any) -> None:
    low, high, choices, pattern = map(field.metadata.get, ('low', 'high', 'choices', 'pattern'))
    expected = ''
    if isinstance(value, float) and not math.isfinite(value):
        expected = 'a finite number'
    elif choices is not None and value not in choices:
        expected = f'one of {", ".join(str(choice) or "an empty value" for choice in choices)}'
    elif pattern is not None and not re.fullmatch(pattern, value):
        expected = field.metadata['expected']
    elif low is not None and value < low:
        expected = f'at least {format_bound(low)}'
    elif high is not None and value > high:
        expected = f'at most {format_bound(high)}'
    if expected:
        raise UsageError(f'--{field.name}={value}: expected {expected}.')


def format_bound(bound: float) -> str:
    """Formats a bound for messages: integers in full, other numbers rounded.

    >>> format_bound(1 / 48), format_bound(1_000_000)
    ('0.0208333', '1000000')
    """
    return f'{bound:g}' if isinstance(bound, float) else str(bound)


def get_sections(config: Any) -> dict[str, Any]:
    """Returns the sections of a config, or of its class, by name; '' is the config itself."""
    nested = {
        field.name: getattr(config, field.name, field.type)
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(field.type)
    }
    return {'': config} | nested


def list_settings(section: Any) -> list[dataclasses.Field]:
    """Returns the fields of a section that are settings, not sections."""
    return [field for field in dataclasses.fields(section) if 'help' in field.metadata]


def map_settings(config: Any) -> dict[str, dataclasses.Field]:
    """Returns every setting of a config, or of its class, by name."""
    return {
        field.name: field
        for section in get_sections(config).values()
        for field in list_settings(section)
    }


def get_modes(section: Any, field: dataclasses.Field) -> tuple[str, ...]:
    """Returns the values of `--mode` that read a setting."""
    return field.metadata.get('modes', section.modes)


def get_listed_modes(section: Any, field: dataclasses.Field) -> tuple[str, ...]:
    """Returns the values of `--mode` whose `--help` lists a setting."""
    return field.metadata.get('listed', get_modes(section, field))


def build(config_class: type, values: Mapping[str, Any]) -> Any:
    """Builds a config from settings by name; missing ones have their defaults.

    Raises:
        UsageError: An unknown name, or a value out of its bounds.
    """
    if unknown := sorted(set(values) - set(map_settings(config_class))):
        raise UsageError(f'unknown settings: {", ".join(unknown)}. --helpfull lists all.')
    by_section = get_sections(config_class)
    selected = {
        name: {f.name: values[f.name] for f in list_settings(section) if f.name in values}
        for name, section in by_section.items()
    }
    nested = {name: by_section[name](**given) for name, given in selected.items() if name}
    return config_class(**selected[''], **nested)


def value_type(annotation: Any) -> tuple[type, bool]:
    """Returns the plain type in a field's annotation, and whether the field holds several values.

    >>> value_type(int | None), value_type(tuple[str, ...])
    ((<class 'int'>, False), (<class 'str'>, True))
    """
    inner = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    if typing.get_origin(annotation) is tuple:
        return inner[0], True
    return value_type(inner[0]) if inner else (annotation, False)


def parse_value(field: dataclasses.Field, text: str) -> Any:
    """Returns a setting's value from its text on a command line.

    Raises:
        UsageError: The text is not of the setting's type.
    """
    kind, is_list = value_type(field.type)
    parts = [part.strip() for part in text.split(',') if part.strip()] if is_list else [text]
    try:
        values = [_BOOLEANS[part.lower()] if kind is bool else kind(part) for part in parts]
    except (ValueError, KeyError) as error:
        raise UsageError(f'--{field.name}={text}: expected {_describe_type(field)}.') from error
    return tuple(values) if is_list else values[0]


def format_value(value: Any) -> str:
    """Returns the shortest text from which `parse_value` reads this value.

    >>> format_value((0.5, 1.0)), format_value(True)
    ('0.5,1', 'true')
    """
    if isinstance(value, tuple):
        return ','.join(map(format_value, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(short := f'{value:g}') == value:
        return short
    return str(value)
