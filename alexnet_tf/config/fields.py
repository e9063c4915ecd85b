"""What a setting is: a field with a help text and bounds. Standard library only."""

import dataclasses
import math
import re
import typing
from typing import Any

# As absl reads them.
_TRUTHS = {'true': True, 't': True, '1': True, 'false': False, 'f': False, '0': False}


class UsageError(Exception):
    """A setting that cannot be used; the message says what was received and what is accepted."""

    exit_code = 2


def setting(default: Any, help: str, **bounds) -> Any:
    """A field with its help text and bounds (`low`, `high`: inclusive; `choices`; `pattern`)."""
    return dataclasses.field(default=default, metadata={'help': help, **bounds})


class Checked:
    """Checks every field against its bounds when built."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and 'help' in field.metadata:
                for each in value if isinstance(value, tuple) else (value,):
                    _check(field.name, each, field.metadata)


def _check(name: str, value: Any, bounds: typing.Mapping[str, Any]) -> None:
    low, high, choices = (bounds.get(key) for key in ('low', 'high', 'choices'))
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f'--{name}={value}: expected a number.')
    if choices is not None and value not in choices:
        raise UsageError(f'--{name}={value}: expected one of {", ".join(map(str, choices))}.')
    if 'pattern' in bounds and not re.fullmatch(bounds['pattern'], value):
        raise UsageError(f'--{name}={value}: not of the form that --help shows.')
    if low is not None and not value >= low:
        raise UsageError(f'--{name}={value}: expected at least {low}.')
    if high is not None and not value <= high:
        raise UsageError(f'--{name}={value}: expected at most {high}.')


def sections(config: Any) -> dict[str, Any]:
    """The nested dataclasses of a config, or of its class, by field name; '' is the config."""
    nested = {
        field.name: getattr(config, field.name, field.type)
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(field.type)
    }
    return {'': config} | nested


def fields(section: Any) -> list[dataclasses.Field]:
    """The fields of one section that are settings, not sections."""
    return [field for field in dataclasses.fields(section) if 'help' in field.metadata]


def build(kind: type, values: typing.Mapping[str, Any]) -> Any:
    """A config of a class from settings by flag name; what is missing has its default.

    Raises:
        UsageError: An unknown name, or a value out of its bounds.
    """
    parts = sections(kind)
    unknown = set(values) - {field.name for part in parts.values() for field in fields(part)}
    if unknown:
        raise UsageError(f'unknown settings: {", ".join(sorted(unknown))}.')
    built = {name: part(**_of_section(part, values)) for name, part in parts.items() if name}
    return kind(**_of_section(kind, values), **built)


def _of_section(section: Any, values: typing.Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in fields(section) if field.name in values]
    return {name: _frozen(values[name]) for name in names}


def kind_of(annotation: Any) -> tuple[type, bool]:
    """The plain type behind a field's annotation, and whether there are many of it."""
    inner = [each for each in typing.get_args(annotation) if each is not type(None)]
    if typing.get_origin(annotation) is tuple:
        return inner[0], True
    return kind_of(inner[0]) if inner else (annotation, False)


def read(kind: type, name: str, text: str) -> Any:
    """The value of a setting of a class of configs, from its text on a command line.

    Raises:
        UsageError: No such setting, or its kind has no such value.
    """
    types = {field.name: field.type for part in sections(kind).values() for field in fields(part)}
    if name not in types:
        raise UsageError(f'there is no --{name}.')
    plain, many = kind_of(types[name])
    parts = [each.strip() for each in text.split(',') if each.strip()] if many else [text]
    try:
        values = [_plain(plain, each) for each in parts]
    except (ValueError, KeyError) as error:
        raise UsageError(f'--{name}={text}: expected {plain.__name__}.') from error
    return tuple(values) if many else values[0]


def _plain(kind: type, text: str) -> Any:
    return _TRUTHS[text.lower()] if kind is bool else kind(text)


def written(value: Any) -> str:
    """The text that `read` makes this value of, as people write it.

    >>> written((0.5, 1.0)), written(True)
    ('0.5,1', 'true')
    """
    if isinstance(value, tuple):
        return ','.join(map(written, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(short := f'{value:g}') == value:
        return short
    return str(value)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def values(config: Any) -> dict[str, Any]:
    """Every setting by flag name: the inverse of `build`."""
    return {
        field.name: getattr(part, field.name)
        for part in sections(config).values()
        for field in fields(part)
    }
