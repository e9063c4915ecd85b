"""Rows of `results.csv` as text."""

from collections.abc import Mapping, Sequence

from alexnet_tf.reports import tables

COLUMNS = ('images', 'views', 'top-1 error (95 %)', 'top-5 error (95 %)', 'loss')


def format_results(rows: Sequence[Mapping[str, object]]) -> str:
    """Formats results as a table."""
    cells = [(row['run_dir'], row['split'], *format_cells(row)) for row in rows]
    return tables.format_table(('network', 'split', *COLUMNS), cells)


def format_cells(row: Mapping[str, object]) -> tuple[str, ...]:
    """Formats the cells under COLUMNS."""
    errors = format_error(row, 'top1'), format_error(row, 'top5')
    return str(row['examples']), str(row['views']), *errors, f'{float(row["loss"]):.4f}'


def format_error(row: Mapping[str, object], name: str) -> str:
    """Formats an error and its 95 % interval, which rows of older versions lack.

    >>> format_error({'top1_error': 0.25, 'top1_low': 0.244, 'top1_high': 0.256}, 'top1')
    '25.0 % (24.4 to 25.6)'

    Args:
        row: Of `results.csv`.
        name: 'top1' or 'top5'.
    """
    error = tables.format_percent(float(row[f'{name}_error']))
    if row.get(f'{name}_low') in ('', None):
        return error
    low, high = (f'{100 * float(row[f"{name}_{end}"]):.1f}' for end in ('low', 'high'))
    return f'{error} ({low} to {high})'
