"""Tables as text, and CSV files that grow a row at a time."""

import csv
import io
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from input_pipeline import errors, files, locks

_FORMULA_STARTS = ('=', '+', '-', '@')


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns columns side by side, each as wide as its widest cell.

    >>> print(format_table(('split', 'images'), [('train', 576)]))
    split  images
    -----  ------
    train  576
    """
    table = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ['  '.join(map(str.ljust, row, widths)).rstrip() for row in table]
    return '\n'.join([lines[0], '  '.join('-' * width for width in widths), *lines[1:]])


def format_percent(share: float) -> str:
    """Returns a share as percent.

    >>> format_percent(0.2376)
    '23.8 %'
    """
    return f'{100 * share:.1f} %'


def format_accuracy(error: float) -> str:
    """Returns the accuracy that belongs to a top-1 error, as percent.

    >>> format_accuracy(0.2376)
    '76.2 %'
    """
    return format_percent(1 - error)


def format_views(number: int | str) -> str:
    """Returns a number of views.

    >>> format_views(1), format_views('10')
    ('1 view', '10 views')
    """
    return f'{number} {"view" if int(number) == 1 else "views"}'


def append_csv(path: pathlib.Path, row: Mapping[str, object]) -> None:
    """Appends a row to a CSV file, atomically; the first row creates the file with its header.

    Processes that append to one file wait for each other. Values for which the file of an older
    version has no column are left out; further columns, which somebody added, stay empty.

    Raises:
        DataError: The file is another table.
    """
    with locks.acquire(path.parent, wait=True, name=f'.{path.name}.lock'):
        text = (_read(path) if path.exists() else '') or _format_line(row)
        header = next(csv.reader(io.StringIO(text)))
        _check_header(path, header, row)
        text += '' if text.endswith('\n') else '\n'
        text += _format_line(row.get(name, '') for name in header)
        files.write_atomically(path, text.encode(errors='surrogateescape'))


def read_csv(path: pathlib.Path) -> list[dict[str, str]]:
    """Reads the rows of a CSV file with a header; none if there is no file."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(_read(path))))


def drop_rows(path: pathlib.Path, column: str, is_dropped: Callable[[str], bool]) -> None:
    """Removes the rows whose cell `is_dropped` selects from a CSV file, if it exists, atomically.

    Raises:
        DataError: The file is another table.
    """
    rows = read_csv(path)
    if rows:
        _check_header(path, rows[0], [column])
    kept = [row for row in rows if not is_dropped(row[column])]
    if len(kept) < len(rows):
        files.write_csv(path, [rows[0], *(row.values() for row in kept)])


def write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table as CSV, atomically, with its texts as `escape_cell` returns them."""
    lines = [[escape_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    files.write_csv(path, [header, *lines])


def escape_cell(text: str) -> str:
    """Returns a text that no spreadsheet evaluates as a formula.

    >>> escape_cell('=1+1'), escape_cell('cat')
    ("'=1+1", 'cat')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _check_header(path: pathlib.Path, header: Iterable[str], expected: Iterable[str]) -> None:
    if not set(header) & set(expected):
        raise errors.DataError(
            f'{path} is no table with commas of {", ".join(list(expected)[:3])}, ... Restore or '
            'remove it.'
        )


def _read(path: pathlib.Path) -> str:
    # File names in any encoding, or in none, survive.
    return path.read_text(encoding='utf-8-sig', errors='surrogateescape')  # Excel adds a mark


def _format_line(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='\n').writerow(list(cells))
    return buffer.getvalue()
