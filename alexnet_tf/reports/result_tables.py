"""Rows of `results.csv` as text."""

from collections.abc import Mapping, Sequence

from alexnet_tf.reports import tables


def format_results(rows: Sequence[Mapping[str, object]]) -> str:
    """Formats results on one split as a table."""
    errors = ('top-1 error (95 %)', 'top-5 error (95 %)')
    header = ('network', 'views', rows[0]['split'], *errors, 'loss')
    cells = [
        (
            row['run_dir'],
            row['views'],
            row['examples'],
            format_error(row, 'top1'),
            format_error(row, 'top5'),
            f'{float(row["loss"]):.4f}',
        )
        for row in rows
    ]
    return tables.text(header, cells)


def format_error(row: Mapping[str, object], name: str) -> str:
    """Formats an error and its 95 % interval, which rows of older versions lack.

    >>> format_error({'top1_error': 0.25, 'top1_low': 0.244, 'top1_high': 0.256}, 'top1')
    '25.0 % (24.4 to 25.6)'

    Args:
        row: Of `results.csv`.
        name: 'top1' or 'top5'.
    """
    error = tables.percent(float(row[f'{name}_error']))
    if row.get(f'{name}_low') in ('', None):
        return error
    low, high = (f'{100 * float(row[f"{name}_{end}"]):.1f}' for end in ('low', 'high'))
    return f'{error} ({low} to {high})'
