"""Config fields <-> absl flags. A flag has the name, default and help text of its field."""

import difflib
import os
import sys
from collections.abc import Sequence

from absl import flags

from alexnet_tf.config import fields, schema


def parse(argv: Sequence[str]) -> schema.Config:
    """The config that a command line asks for; `argv[0]` is the program.

    Raises:
        UsageError: An unknown flag, a value that cannot be read, a positional argument, a
            missing flagfile.
    """
    values = define()
    try:
        left = values(_with_flagfiles_found(argv))[1:]
    except flags.UnrecognizedFlagError as error:
        raise schema.UsageError(_did_you_mean(error.flagname)) from error
    except flags.Error as error:
        raise schema.UsageError(f'{error}. See --help.') from error
    if left:
        raise schema.UsageError(
            f'unexpected argument {left[0]!r}: settings are given as --flag=value. See --help.'
        )
    return schema.from_settings({name: values[name].value for name in _names()})


def define() -> flags.FlagValues:
    """One flag for each setting, in a registry of their own."""
    values = flags.FlagValues()
    for part in fields.sections(schema.Config).values():
        for field in fields.fields(part):
            _define_one(field, values)
    return values


def _define_one(field, values: flags.FlagValues) -> None:
    kind, many = fields.kind_of(field.type)
    text = field.metadata['help']
    if many:
        parser, serializer = _List(kind), flags.CsvListSerializer(',')
        flags.DEFINE(parser, field.name, None, text, values, serializer)
        values[field.name].value = field.default
    elif 'choices' in field.metadata and kind is str:
        flags.DEFINE_enum(field.name, field.default, field.metadata['choices'], text, values)
    else:
        maker = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
        }[kind]
        maker(field.name, field.default, text, flag_values=values)


class _List(flags.ArgumentParser):
    """Comma-separated values of one kind as a tuple."""

    def __init__(self, kind: type):
        self._kind = kind

    def parse(self, argument):
        parts = argument.split(',') if isinstance(argument, str) else argument
        return tuple(self._kind(part.strip()) for part in parts if str(part).strip())

    def flag_type(self) -> str:
        return f'comma-separated {self._kind.__name__}s'


def _names() -> list[str]:
    return [f.name for part in fields.sections(schema.Config).values() for f in fields.fields(part)]


def _did_you_mean(name: str) -> str:
    close = difflib.get_close_matches(name, _names(), n=2)
    hint = f' Did you mean {" or ".join("--" + each for each in close)}?' if close else ''
    return f'unknown flag --{name}.{hint} See --help.'


def _with_flagfiles_found(argv: Sequence[str]) -> list[str]:
    """`--flagfile=flags/X.cfg` means the installed one where the directory has none."""
    return [_found(each) if each.startswith('--flagfile=') else each for each in argv]


def _found(argument: str) -> str:
    path = argument.partition('=')[2]
    shipped = os.path.join(sys.prefix, 'share', 'alexnet_tf', path)
    if os.path.exists(path):
        return argument
    if os.path.exists(shipped):
        return f'--flagfile={shipped}'
    raise schema.UsageError(
        f'--flagfile={path}: no such file, here or among the installed ones '
        f'({os.path.dirname(shipped)}).'
    )


def help_text() -> str:
    """What `--help` prints: every flag by section, with its default."""
    lines = [
        'AlexNet (Krizhevsky, Sutskever and Hinton, 2012) in Keras 3 on TensorFlow.',
        '',
        'usage: python -m alexnet_tf.main --flagfile=flags/X.cfg [--flag=value ...]',
        '       Later flags win. Start with --flagfile=flags/quickstart.cfg.',
    ]
    for part in fields.sections(schema.Config).values():
        lines += ['', part.__doc__.splitlines()[0]]
        lines += [line for field in fields.fields(part) for line in _help_of(field)]
    lines += ['', '  --flagfile=FILE', '      Flags from a file, one a line.']
    return '\n'.join([*lines, '  --help', '      This page.'])


def _help_of(field) -> list[str]:
    choices = field.metadata.get('choices')
    kind, many = fields.kind_of(field.type)
    shown = (
        '|'.join(map(str, choices)) if choices else kind.__name__.upper() + (',...' if many else '')
    )
    default = '' if field.default in (None, '', ()) else f' [{field.default}]'
    return [f'  --{field.name}={shown}', f'      {field.metadata["help"]}{default}']
