"""Settings as command-line flags. A flag has the name and the type of its setting."""

import codecs
import contextlib
import dataclasses
import os
import site
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from alexnet_tf.config import fields, resolution, schema, serialization
from input_pipeline import errors

_PATHS = ('source_dir', 'data_dir', 'run_dir', 'experiment_dir')
_LISTS = ('inputs', 'ensemble', 'compare_runs')  # no flagfile has them


def parse(argv: Sequence[str]) -> schema.Config:
    """Builds the config that a command line gives.

    Args:
        argv: The program and its arguments: `--flag=value`, `--flagfile=FILE`, files of `--inputs`.

    Raises:
        UsageError: See `parse_settings`; or settings do not go together.
        DataError: `--resume` without a run in `--run_dir`.
    """
    settings = parse_settings(argv)
    return serialization.from_settings(resolution.complete(settings), settings)


def parse_settings(argv: Sequence[str]) -> dict[str, Any]:
    """Returns the settings that a command line gives, later ones winning, without the defaults.

    Raises:
        UsageError: An unknown flag, a value of another type, a positional argument in a mode that
            reads no `--inputs`, or a flagfile that does not exist.
    """
    _check_repeated(argv)
    values, located = _define_flags(), [_locate_flagfile(argument) for argument in argv]
    try:
        positional = values(located)[1:]
    except flags.UnrecognizedFlagError as error:
        raise fields.UsageError(_suggest(error.flagname, list(values))) from error
    except (flags.Error, ValueError) as error:
        raise fields.UsageError(_describe(error)) from error
    settings = {
        name: _parse_value(field, values[name].value)
        for name, field in fields.map_settings(schema.Config).items()
        if values[name].present
    }
    if 'mode' in settings:  # in its current spelling, which is compared below
        settings['mode'] = fields.normalize(
            fields.map_settings(schema.Config)['mode'], settings['mode']
        )
    return settings | _add_inputs(settings, positional)


def _check_repeated(argv: Sequence[str]) -> None:
    """Refuses lists that are given item by item, since only the last one would count."""
    for name in _LISTS:
        if sum(argument.partition('=')[0] == f'--{name}' for argument in argv) > 1:
            raise fields.UsageError(f'--{name} is given twice. Separate its values by commas.')


def _parse_value(field: dataclasses.Field, text: str) -> Any:
    """Parses a flag's text. Expands ~ itself, since shells leave it as it is after a '='."""
    if not text and field.name in _PATHS:  # of a shell variable that is not set, most likely
        raise fields.UsageError(f'--{field.name} is empty. Give a path, or leave the flag out.')
    if len(text) > 1 and text[0] == text[-1] and text[0] in '"\'':
        raise fields.UsageError(
            f'--{field.name}={text}: leave the quotes out, which only shells need.'
        )
    if field.name == 'inputs' and os.path.exists(text):
        return (text,)  # its name may have commas
    value = fields.parse_value(field, text)
    if isinstance(value, tuple):
        return tuple(map(_expand_home, value))
    return _expand_home(value)


def _expand_home(value: Any) -> Any:
    return os.path.expanduser(value) if isinstance(value, str) else value


def _add_inputs(settings: Mapping[str, Any], positional: Sequence[str]) -> dict[str, Any]:
    """Adds positional arguments, into which shells expand `--inputs *.jpg`, to the inputs."""
    if not positional:
        return {}
    modes = fields.get_modes(schema.Predict, fields.map_settings(schema.Config)['inputs'])
    if settings.get('mode') not in modes:
        raise fields.UsageError(
            f'unexpected argument {positional[0]!r}: settings are given as --flag=value, and files '
            f'only with --mode={", ".join(modes)}. See --help.'
        )
    return {'inputs': (*settings.get('inputs', ()), *positional)}


def _define_flags() -> flags.FlagValues:
    """Defines one flag per setting, which stores its value as text, in a separate registry."""
    values = flags.FlagValues()
    for field in fields.map_settings(schema.Config).values():
        is_switch = fields.value_type(field.type) == (bool, False)  # --debug and --nodebug
        text = flags.ArgumentParser()
        flags.DEFINE_flag(
            flags.Flag(text, None, field.name, None, '', boolean=is_switch), flag_values=values
        )
    return values


def _suggest(name: str, known: Sequence[str]) -> str:
    return f'unknown flag --{name}.{errors.suggest(name, known, "--")} See --help.'


def _describe(error: Exception) -> str:
    """Rephrases an error message of absl."""
    if isinstance(error, flags.CantOpenFlagFileError) and isinstance(error.__context__, OSError):
        return f'--flagfile={error.__context__.filename}: {error.__context__.strerror}.'
    if isinstance(error, UnicodeDecodeError):
        return '--flagfile: expected a text file with one flag a line, but it is not UTF-8.'
    flag = str(error).removeprefix('Missing value for flag ')
    if flag != str(error):
        return f'{flag}: expected a value, as {flag}=VALUE. See --help.'
    return f'{error}. See --help.'


def _locate_flagfile(argument: str) -> str:
    """Replaces `--flagfile=flags/X.cfg` by the installed file if flags/X.cfg does not exist."""
    if not argument.startswith('--flagfile='):
        return argument
    path = os.path.expanduser(argument.removeprefix('--flagfile='))
    if os.path.exists(path):
        if _starts_with_mark(path):
            raise fields.UsageError(
                f'{argument}: it begins with a byte order mark. Save it as UTF-8 without one.'
            )
        return argument
    for prefix in (sys.prefix, sysconfig.get_path('data'), site.getuserbase()):
        installed = os.path.join(prefix, 'share', 'alexnet_tf', path)
        if path and os.path.exists(installed):
            return f'--flagfile={installed}'
    is_relative = path and not os.path.isabs(path)
    installed = os.path.join(sys.prefix, 'share', 'alexnet_tf', os.path.dirname(path))
    places = f', neither here nor in {installed}' if is_relative else ''
    raise fields.UsageError(f'{argument}: no such file{places}.')


def _starts_with_mark(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, 'rb') as file:  # absl says what is wrong
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    return False
