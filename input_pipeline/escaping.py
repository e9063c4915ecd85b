"""Escapes names of files and classes, which may hold anything, for terminals and spreadsheets."""

from collections.abc import Iterable

_FORMULA_STARTS = ('=', '+', '-', '@')
# Not printable by Python's rule, but part of ordinary names: spaces of other scripts and of macOS,
# and what joins or parts letters and emoji.
_HARMLESS = '\xa0\u202f\u3000\u200c\u200d'


def to_printable(text: str) -> str:
    r"""Escapes control characters, which move a terminal's cursor or change its colours.

    >>> to_printable('a\x1b[2Jb\n')
    'a\\x1b[2Jb\\n'
    """
    return ''.join(
        char if char.isprintable() or char in _HARMLESS else repr(char)[1:-1] for char in text
    )


def escape_lines(text: str) -> str:
    """Escapes control characters, as `to_printable`, but for the ends of lines."""
    return '\n'.join(map(to_printable, text.split('\n')))


def escape_cell(text: str) -> str:
    """Returns a text that no spreadsheet evaluates as a formula.

    >>> escape_cell('=1+1'), escape_cell('cat')
    ("'=1+1", 'cat')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def escape_row(cells: Iterable[object]) -> list[object]:
    """Returns a row of a table with its texts as `escape_cell` returns them."""
    return [escape_cell(cell) if isinstance(cell, str) else cell for cell in cells]
