"""Tables as text, and CSV files that grow a row at a time."""

import csv
import io
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from input_pipeline import errors, escaping, files, locks


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns columns side by side, each as wide as its widest cell, with controls escaped.

    >>> print(format_table(('split', 'images'), [('train', 576)]))
    split  images
    -----  ------
    train  576
    """
    table = [[escaping.to_printable(str(cell)) for cell in row] for row in (header, *rows)]
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
        text = (_read(path) if path.exists() else '') or files.format_csv([list(row)])
        header = next(csv.reader(io.StringIO(text, newline='')))
        if not set(header) & set(row):
            raise _explain_missing(path, list(row))
        text += '' if text.endswith('\n') else '\n'
        text += files.format_csv([[row.get(name, '') for name in header]])
        files.write_atomically(path, text.encode(errors='surrogateescape'))


def read_csv(path: pathlib.Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Reads the rows of a CSV file with a header; none if there is no file.

    Args:
        path: The file. Rows of empty cells, which spreadsheets write, are left out.
        columns: Columns that it must have; it may have others.

    Raises:
        DataError: The file lacks a column, or a row has more or fewer cells than the header.
    """
    if not path.exists():
        return []
    reader, rows = csv.DictReader(io.StringIO(_read(path), newline='')), []
    try:
        header = reader.fieldnames or columns
        if missing := [name for name in columns if name not in header]:
            raise _explain_missing(path, missing, is_table=len(missing) < len(columns))
        for row in reader:
            if None in row or None in row.values():
                expected = f'expected as many cells as the header has, {len(header)}'
                raise _explain_line(path, reader.line_num, expected)
            rows += [row] if any(row.values()) else []
    except csv.Error as error:  # in a line that is not counted yet
        raise _explain_line(path, reader.line_num + 1, str(error)) from error
    return rows


def drop_rows(path: pathlib.Path, column: str, is_dropped: Callable[[str], bool]) -> None:
    """Removes the rows whose cell `is_dropped` selects from a CSV file, if it exists, atomically.

    Raises:
        DataError: The file is another table, or has a cell that `is_dropped` cannot read.
    """
    rows = read_csv(path, [column])
    try:
        kept = [row for row in rows if not is_dropped(row[column])]
    except ValueError as error:
        raise errors.DataError(
            f'{path} has a wrong cell in its column {column} ({error}). Correct it, or restore the '
            'file from a copy.'
        ) from error
    if len(kept) < len(rows):
        files.write_csv(path, [rows[0], *(row.values() for row in kept)])


def write_csv(path: pathlib.Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table as CSV, atomically, with its texts as `escaping.escape_cell` returns them."""
    files.write_csv(path, [header, *map(escaping.escape_row, rows)])


def _explain_missing(
    path: pathlib.Path, columns: Sequence[str], *, is_table: bool = False
) -> errors.DataError:
    problem = '' if is_table else 'is no table with commas: it '
    return errors.DataError(
        f'{path} {problem}has no column {errors.join_some(columns)}. Restore it from a copy, or '
        'remove it.'
    )


def _explain_line(path: pathlib.Path, line: int, problem: str) -> errors.DataError:
    return errors.DataError(
        f'{path}, line {line}: {problem}. Correct the line, or restore the file from a copy.'
    )


def _read(path: pathlib.Path) -> str:
    # File names survive: in any encoding or in none, and with carriage returns.
    return path.read_bytes().decode('utf-8-sig', errors='surrogateescape')  # Excel adds a mark
