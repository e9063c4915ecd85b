"""Settings as command-line flags. A flag has the name and the type of its setting."""

import difflib
import os
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from alexnet_tf.config import fields, schema, serialization


def parse(argv: Sequence[str]) -> schema.Config:
    """Builds the config that a command line gives.

    Args:
        argv: The program and its arguments, each `--flag=value` or `--flagfile=FILE`.

    Raises:
        UsageError: As of `parse_settings`, or settings that do not go together.
    """
    return serialization.from_settings(parse_settings(argv))


def parse_settings(argv: Sequence[str]) -> dict[str, Any]:
    """Returns the settings that a command line gives, later ones winning, without the defaults.

    Raises:
        UsageError: An unknown flag, a value of another type, a positional argument, or a flagfile
            that does not exist.
    """
    values = _define_flags()
    try:
        positional = values(_locate_flagfiles(argv))[1:]
    except flags.UnrecognizedFlagError as error:
        raise fields.UsageError(_suggest(error.flagname, list(values))) from error
    except flags.Error as error:
        raise fields.UsageError(f'{error}. See --help.') from error
    if positional:
        raise fields.UsageError(
            f'unexpected argument {positional[0]!r}: settings are given as --flag=value. See '
            '--help.'
        )
    return {name: values[name].value for name in values if values[name].present}


def _define_flags() -> flags.FlagValues:
    """Defines one flag for each setting, without a default, in a registry of its own."""
    values = flags.FlagValues()
    for field in fields.map_settings(schema.Config).values():
        if fields.value_type(field.type) == (bool, False):
            flags.DEFINE_bool(field.name, None, '', values)  # --debug and --nodebug
        else:
            flags.DEFINE(_Parser(field), field.name, None, '', values)
    return values


class _Parser(flags.ArgumentParser):
    """Reads the value of one setting."""

    def __init__(self, field):
        self._field = field

    def parse(self, argument: str) -> Any:
        return fields.parse_value(self._field, argument)


def _suggest(name: str, known: Sequence[str]) -> str:
    close = ' or '.join(f'--{other}' for other in difflib.get_close_matches(name, known, n=2))
    hint = f' Did you mean {close}?' if close else ''
    return f'unknown flag --{name}.{hint} See --help.'


def _locate_flagfiles(argv: Sequence[str]) -> list[str]:
    """Replaces `--flagfile=flags/X.cfg` by the installed file if the directory has none."""
    return [_locate(flag) if flag.startswith('--flagfile=') else flag for flag in argv]


def _locate(flag: str) -> str:
    path = flag.partition('=')[2]
    installed = os.path.join(sys.prefix, 'share', 'alexnet_tf', path)
    if os.path.exists(path):
        return flag
    if os.path.exists(installed):
        return f'--flagfile={installed}'
    raise fields.UsageError(
        f'--flagfile={path}: no such file, neither here nor among the installed ones in '
        f'{os.path.dirname(installed)}.'
    )
