"""Tables for people, and tables that grow a row at a time."""

import csv
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence

from input_pipeline import files, locks

_FORMULA_STARTS = ('=', '+', '-', '@')


def text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, each as wide as its widest cell."""
    table = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ['  '.join(map(str.ljust, row, widths)).rstrip() for row in table]
    return '\n'.join([lines[0], '  '.join('-' * width for width in widths), *lines[1:]])


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.2376)
    '23.8 %'
    """
    return f'{100 * share:.1f} %'


def views(number: int | str) -> str:
    """'1 view', '10 views'."""
    return f'{number} {"view" if int(number) == 1 else "views"}'


def append_csv(path: pathlib.Path, row: Mapping[str, object]) -> None:
    """Adds a row to a CSV file, atomically; the first row makes the file and its header.

    Processes that add to one file wait for each other. Columns that an older file lacks are added
    to it, empty in its rows.

    Raises:
        ValueError: The file has columns that the row lacks.
    """
    with locks.held(path.parent, wait=True, name=f'.{path.name}.lock'):
        standing = _read(path) if path.exists() else _line(row)
        header = next(csv.reader(io.StringIO(standing)))
        if set(header) < set(row):
            older = csv.DictReader(io.StringIO(standing))
            lines = [_line(row), *(_line(each.get(name, '') for name in row) for each in older)]
            standing, header = ''.join(lines), list(row)
        if header != list(row):
            raise ValueError(f'{path} has columns {header}, the new row has {list(row)}.')
        text = standing + _line(row.values())
        files.write_atomically(path, text.encode(errors='surrogateescape'))


def read_csv(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; none where there is no file."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(_read(path))))


def drop_rows(path: pathlib.Path, dropped: Callable[[Mapping[str, str]], bool]) -> None:
    """Takes the rows that `dropped` names out of a CSV file, atomically; no file, no change."""
    rows = read_csv(path)
    kept = [row for row in rows if not dropped(row)]
    if len(kept) < len(rows):
        files.write_csv(path, [rows[0], *(row.values() for row in kept)])


def safe_cell(value: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _read(path: pathlib.Path) -> str:
    return path.read_text(encoding='utf-8', errors='surrogateescape')  # file names may be anything


def _line(cells) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='\n').writerow(list(cells))
    return buffer.getvalue()
