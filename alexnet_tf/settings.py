"""What a setting is: a field with a help text and bounds. Standard library only."""

import dataclasses
import re
import typing
from typing import Any


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
    if choices is not None and value not in choices:
        raise UsageError(f'--{name}={value}: expected one of {", ".join(map(str, choices))}.')
    if 'pattern' in bounds and not re.fullmatch(bounds['pattern'], value):
        raise UsageError(f'--{name}={value}: not of the form that --help shows.')
    if low is not None and not value >= low:
        raise UsageError(f'--{name}={value}: expected at least {low}.')
    if high is not None and not value <= high:
        raise UsageError(f'--{name}={value}: expected at most {high}.')
