"""Rows of `results.csv` as text."""

from collections.abc import Mapping, Sequence

from alexnet_tf.models import outputs
from alexnet_tf.reports import tables

_MAX_CLASSES = 10  # that are listed


def format_results(rows: Sequence[Mapping[str, object]], num_classes: int) -> str:
    """Formats results as a table."""
    cells = [(row['run_dir'], row['split'], *format_cells(row, num_classes)) for row in rows]
    return tables.format_table(('network', 'split', *list_columns(num_classes)), cells)


def list_columns(num_classes: int) -> tuple[str, ...]:
    """Lists the columns of results, without a top-5 error if it is always 0.

    >>> list_columns(5)
    ('images', 'views', 'top-1 error (95 %)', 'loss')
    """
    top5 = ('top-5 error (95 %)',) if num_classes > outputs.TOP_K else ()
    return 'images', 'views', 'top-1 error (95 %)', *top5, 'loss'


def format_cells(row: Mapping[str, object], num_classes: int) -> tuple[str, ...]:
    """Formats the cells of a row under `list_columns`."""
    names = ('top1', 'top5') if num_classes > outputs.TOP_K else ('top1',)
    errors = [format_error(row, name) for name in names]
    return str(row['examples']), str(row['views']), *errors, f'{float(row["loss"]):.4f}'


def format_classes(ranked: Sequence[tuple], views: int) -> str:
    """Formats the accuracy of each class, the lowest first, and of all images.

    Args:
        ranked: From `ErrorAnalysis.rank_classes`.
        views: Number of views of an image.
    """
    images = sum(count for _, count, *_ in ranked)
    accuracy = tables.format_accuracy(sum(row[1] * row[2] for row in ranked) / images)
    cells = [
        (name, count, tables.format_accuracy(error), mistaken)
        for name, count, error, _, mistaken in ranked[:_MAX_CLASSES]
    ]
    first = f', the first {_MAX_CLASSES} of {len(ranked):,}' if ranked[_MAX_CLASSES:] else ''
    return (
        f'\naccuracy {accuracy} ({tables.format_views(views)}); by class{first}:\n'
        + tables.format_table(('class', 'images', 'accuracy', 'most often taken for'), cells)
    )


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
