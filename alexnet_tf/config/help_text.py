"""The pages of `--help`, for the program and for each mode, and the reference of all flags."""

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from alexnet_tf.config import fields, schema

_SHARED = ('run_dir', 'data_dir', 'seed', 'debug')
_WIDTH, _INDENT, _MODE_INDENT = 80, 29, 16
_FLAGFILE = ('--flagfile=FILE', 'File with flags, one per line; later flags win.')
_USAGE = """\
AlexNet (Krizhevsky, Sutskever and Hinton, 2012) in Keras 3 on TensorFlow.

Usage: alexnet-tf --mode=MODE [--flag=value ...]
       alexnet-tf --flagfile=flags/quickstart.cfg
"""
_MORE = """\
alexnet-tf --mode=MODE --help lists the flags of one mode; --helpfull lists the
flags of all modes, in Markdown."""
_PAGE = """\
# Flags

Write flags as `--seed=1`; a flagfile has one per line. The `config.json` of a run uses the same
names. `alexnet-tf --mode=MODE --help` lists the flags of one mode. If a default
depends on the recipe, all values are listed.

This page is generated: `alexnet-tf --helpfull > docs/reference/flags.md`.

Names of flags and values are stable, because existing runs, flagfiles and grids contain them:
`neighbours`, `reshuffle`, `drop_epochs`, `draw` and `fresh` stay as they are. Only names that a
reader would not guess were replaced. The old names are still accepted:

{aliases}
"""

# Hyperparameters by recipe.
Recipes = Mapping[str, Mapping[str, Any]]


def describe_program() -> str:
    """Returns the page of `--help`: the modes, the shared flags, and how to list the others."""
    settings = fields.map_settings(schema.Config)
    lines = [_USAGE, 'Modes:']
    for mode, sentence in schema.MODES.items():
        lines += _format_flag(mode, sentence, indent=_MODE_INDENT)
    lines += ['', 'Shared flags and their defaults:']
    for name in _SHARED:
        lines += _format_setting(settings[name], settings[name].default)
    return '\n'.join([*lines, *_format_flag(*_FLAGFILE), '', _MORE])


def describe_mode(mode: str, recipe: str, recipes: Recipes) -> str:
    """Returns the page of `--mode=MODE --help`: the flags of a mode, by section.

    Args:
        mode: A value of `--mode`.
        recipe: The value of `--recipe`, whose hyperparameters are shown as defaults.
        recipes: Hyperparameters of every recipe.

    Raises:
        UsageError: No such mode or recipe.
    """
    settings = fields.map_settings(schema.Config)
    mode = fields.normalize(settings['mode'], mode)
    recipe = fields.normalize(settings['recipe'], recipe)
    lines = [f'Usage: alexnet-tf --mode={mode} [--flag=value ...]', '', schema.MODES[mode], '']
    lines += ['Flags and their defaults. A value in capitals has no default.']
    for title, section in _titled_sections():
        read = [
            field
            for field in fields.list_settings(section)
            if mode in fields.get_listed_modes(section, field) and field.name != 'mode'
        ]
        names = {field.name for field in read}
        source = f' (defaults of --recipe={recipe})' if names & set(recipes[recipe]) else ''
        lines += ['', f'{title}{source}:'] if read else []
        for field in read:
            default = _get_default(field, recipes[recipe] | {'recipe': recipe})
            lines += _format_setting(field, default)
        lines += _format_flag(*_FLAGFILE) if title == 'Shared' else []
    return '\n'.join(lines)


def reference_page(recipes: Recipes) -> str:
    """Returns the page of all flags, in Markdown.

    Args:
        recipes: Hyperparameters of every recipe.
    """
    settings = fields.map_settings(schema.Config).values()
    aliases = [
        f'- `--{field.name}={old}` is `--{field.name}={new}`'
        for field in settings
        for old, new in field.metadata.get('aliases', {}).items()
    ]
    lines = [_PAGE.format(aliases='\n'.join(aliases))]
    for title, section in _titled_sections():
        lines += [f'## {title}', '', '| flag | default | modes | meaning |', '|---|---|---|---|']
        lines += [_format_row(section, field, recipes) for field in fields.list_settings(section)]
        lines += ['']
    return '\n'.join(lines).rstrip('\n')


def _titled_sections() -> Iterator[tuple[str, type]]:
    for name, section in fields.get_sections(schema.Config).items():
        yield name.capitalize() or 'Shared', section


def _get_default(field: dataclasses.Field, hyperparameters: Mapping[str, Any]) -> Any:
    is_open = field.default is None or field.name == 'recipe'
    return hyperparameters.get(field.name, field.default) if is_open else field.default


def _format_setting(field: dataclasses.Field, default: Any) -> list[str]:
    is_unset = default is None or default in ('', ())
    value = field.metadata.get('metavar', '') if is_unset else fields.format_value(default)
    choices = field.metadata.get('choices', ())
    meanings = choices.items() if isinstance(choices, dict) else ()
    values = [f'{choice}: {meaning}' for choice, meaning in meanings]
    return _format_flag(f'--{field.name}={value}', _describe(field, '{}'), values)


def _describe(field: dataclasses.Field, form: str) -> str:
    """Returns a setting's help; choices without explanations follow a final colon."""
    text, choices = field.metadata['help'], field.metadata.get('choices', ())
    if isinstance(choices, dict) or not text.endswith(':'):
        return text
    *others, last = (form.format(choice) for choice in choices if choice != '')
    return f'{text} {", ".join(others)} or {last}.'


def _format_flag(flag: str, text: str, values=(), *, indent: int = _INDENT) -> list[str]:
    """Returns the lines of one flag or mode: its name on the left, what it does on the right."""
    lines = textwrap.wrap(text, _WIDTH - indent)
    for value in values:
        lines += textwrap.wrap(value, _WIDTH - indent, subsequent_indent='  ')
    left, margin = f'  {flag}', ' ' * indent
    first = [] if len(left) < indent else [left]
    return first + [
        f'{left if at == 0 and not first else margin:<{indent}}{line}'
        for at, line in enumerate(lines)
    ]


def _format_row(section: type, field: dataclasses.Field, recipes: Recipes) -> str:
    """Returns a row of the reference page's table."""
    modes = fields.get_modes(section, field)
    choices = field.metadata.get('choices', ())
    text = f'{_describe(field, "`{}`")}{_format_bounds(field)}'
    if isinstance(choices, dict):
        text += ''.join(f'<br>`{choice}`: {meaning}' for choice, meaning in choices.items())
    shown = 'every' if set(modes) == set(schema.MODES) else ', '.join(modes)
    cells = (f'`--{field.name}`', _format_defaults(field, recipes), shown, text)
    return f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in cells)} |'


def _format_bounds(field: dataclasses.Field) -> str:
    low, high = map(field.metadata.get, ('low', 'high'))
    if low is None:
        return ''
    low = fields.format_bound(low)
    return f' At least {low}.' if high is None else f' {low} to {fields.format_bound(high)}.'


def _format_defaults(field: dataclasses.Field, recipes: Recipes) -> str:
    """Returns the default; if recipes differ, each default with its recipes."""
    by_default: dict[str, list[str]] = {}
    for name, hyperparameters in recipes.items():
        default = _get_default(field, hyperparameters)
        text = '' if default is None else fields.format_value(default)
        by_default.setdefault(f'`{text}`' if text else '', []).append(name)
    if len(by_default) == 1:
        return next(iter(by_default))
    return '<br>'.join(f'{text or "none"}: {", ".join(of)}' for text, of in by_default.items())
