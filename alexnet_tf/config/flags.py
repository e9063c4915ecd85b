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
    values, located = _define_flags(), [_locate_flagfile(argument) for argument in argv]
    try:
        positional = values(located)[1:]
    except flags.UnrecognizedFlagError as error:
        raise fields.UsageError(_suggest(error.flagname, list(values))) from error
    except (flags.Error, ValueError) as error:
        raise fields.UsageError(_describe(error)) from error
    if positional:
        raise fields.UsageError(
            f'unexpected argument {positional[0]!r}: settings are given as --flag=value. See '
            '--help.'
        )
    return {
        name: fields.parse_value(field, values[name].value)
        for name, field in fields.map_settings(schema.Config).items()
        if values[name].present
    }


def _define_flags() -> flags.FlagValues:
    """Defines one flag for each setting, which keeps its text, in a registry of its own."""
    values = flags.FlagValues()
    for field in fields.map_settings(schema.Config).values():
        is_switch = fields.value_type(field.type) == (bool, False)  # --debug and --nodebug
        text = flags.ArgumentParser()
        flags.DEFINE_flag(
            flags.Flag(text, None, field.name, None, '', boolean=is_switch), flag_values=values
        )
    return values


def _suggest(name: str, known: Sequence[str]) -> str:
    close = ' or '.join(f'--{other}' for other in difflib.get_close_matches(name, known, n=2))
    hint = f' Did you mean {close}?' if close else ''
    return f'unknown flag --{name}.{hint} See --help.'


def _describe(error: Exception) -> str:
    """Says in this program's words what absl says."""
    if isinstance(error, flags.CantOpenFlagFileError) and isinstance(error.__context__, OSError):
        return f'--flagfile={error.__context__.filename}: {error.__context__.strerror}.'
    if isinstance(error, UnicodeDecodeError):
        return '--flagfile: expected a text file with one flag a line, but it is not UTF-8.'
    flag = str(error).removeprefix('Missing value for flag ')
    if flag != str(error):
        return f'{flag}: expected a value, as {flag}=VALUE. See --help.'
    return f'{error}. See --help.'


def _locate_flagfile(argument: str) -> str:
    """Replaces `--flagfile=flags/X.cfg` by the installed file if the directory has none."""
    path = os.path.expanduser(argument.removeprefix('--flagfile='))
    if path == argument or os.path.exists(path):
        return argument
    installed = os.path.join(sys.prefix, 'share', 'alexnet_tf', path)
    if path and os.path.exists(installed):
        return f'--flagfile={installed}'
    is_relative = path and not os.path.isabs(path)
    places = f', neither here nor in {os.path.dirname(installed)}' if is_relative else ''
    raise fields.UsageError(f'{argument}: no such file{places}.')
