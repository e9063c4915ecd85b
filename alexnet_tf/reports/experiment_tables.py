"""Tables of an experiment: mean and spread over seeds, and differences from the first group."""

import math
import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.models import outputs
from alexnet_tf.reports import tables

Rows = Sequence[Mapping[str, str]]
DONE, DIVERGED, FAILED = 'done', 'diverged', 'failed'
LEVEL = 0.25  # training error, as in the paper's figure 1
CURVE_COLUMNS = ('run', 'epoch', 'learning_rate', 'train_top1_error', 'validation_top1_error')


def count_epochs_to(epochs: Rows, level: float) -> float | None:
    """Counts the epochs until the training error is at most `level`, interpolated linearly.

    Args:
        epochs: Rows of `summary.csv`; those with a NaN error are skipped.
        level: Top-1 training error in [0, 1].

    Returns:
        A number of epochs, or None if the level is not reached.
    """
    previous = None
    for row in epochs:
        epoch, error = float(row['epoch']), float(row['train_top1_error'])
        if math.isnan(error):
            continue
        if error <= level:
            if previous is None:
                return epoch
            last_epoch, last_error = previous
            share = (last_error - level) / (last_error - error)
            return last_epoch + (epoch - last_epoch) * share
        previous = epoch, error
    return None


def list_epochs(runs: Mapping[str, Rows]) -> list[tuple[str, ...]]:
    """Lists the epochs of runs, under CURVE_COLUMNS, given the rows of `summary.csv` by run."""
    return [
        (name, *(epoch[column] for column in CURVE_COLUMNS[1:]))
        for name, epochs in runs.items()
        for epoch in epochs
    ]


def group_rows(rows: Rows) -> dict[str, list[Mapping[str, str]]]:
    """Groups rows of `runs.csv` by what they change, in their order."""
    groups: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        groups.setdefault(row['group'], []).append(row)
    return groups


def get_values(rows: Rows, name: str) -> list[float]:
    """Returns the values of a column, without the rows where it is empty or missing."""
    return [float(row[name]) for row in rows if row.get(name)]


def format_spread(values: Sequence[float], *, scale: float = 1.0, digits: int = 1) -> str:
    """Formats the mean and the standard deviation; '' if there are no values.

    >>> format_spread([0.3, 0.32], scale=100)
    '31.0 ± 1.4'
    """
    if not values:
        return ''
    if not all(map(math.isfinite, values)):
        return 'nan'
    mean = f'{scale * statistics.mean(values):.{digits}f}'
    if len(values) == 1:
        return mean
    return f'{mean} ± {scale * statistics.stdev(values):.{digits}f}'


def format_table(
    rows: Rows, intervals: Mapping[tuple[str, int], tuple[float, float, float]] | None = None
) -> str:
    """Formats a table with a line for each group.

    Args:
        rows: Rows of `runs.csv`.
        intervals: Differences from the first group, by group and number of views: the lower end
            of the 95 % interval, the difference, the upper end.
    """
    groups = group_rows(rows)
    columns = {views: f'top1_error_{views}' for views in outputs.VIEWS.values()}
    columns = {views: name for views, name in columns.items() if get_values(rows, name)}
    top5 = {views: f'top5_error_{views}' for views in columns}
    top5 = {views: name for views, name in top5.items() if any(get_values(rows, name))}
    with_level = bool(get_values(rows, 'epochs_to_level'))
    header = ['', 'runs', 'diverged', 'epochs', 'training error, %']
    for views in columns:
        header += [f'top-1 error, {tables.format_views(views)}, %', 'difference']
        header += ['top-5 error, %'] * (views in top5)
    header += [f'epochs to {_format_level(rows)} in training'] * with_level + ['images/s']
    lines, first = [], next(iter(groups.values()))
    for group, group_runs in groups.items():
        done = [row for row in group_runs if row['status'] == DONE]
        line = [group, str(len(group_runs)), str(len(group_runs) - len(done) or '')]
        line.append(format_spread(get_values(done, 'epochs'), digits=0))
        line.append(format_spread(get_values(done, 'train_top1_error'), scale=100))
        for views, name in columns.items():
            line.append(format_spread(get_values(done, name), scale=100))
            difference = '' if group_runs is first else _format_difference(first, done, name)
            line.append(difference + _format_interval((intervals or {}).get((group, views))))
            if views in top5:
                line.append(format_spread(get_values(done, top5[views]), scale=100))
        line += [_format_epochs_to_level(done)] * with_level
        lines.append([*line, format_spread(get_values(done, 'images_per_sec'))])
    note = (
        'Mean and standard deviation over runs. Differences from the first line are in percentage '
        'points, between runs of one seed.'
    )
    if intervals:
        note += (
            ' In parentheses: 95 % intervals that account for the choice of images and, from two '
            'seeds on, of seeds.'
        )
    return f'{note}\n\n{tables.format_table(header, lines)}'


def format_search(rows: Rows, names: Sequence[str]) -> str:
    """Formats a table with a line for each run of a search, by rung, the best first.

    Args:
        rows: Rows of `runs.csv`, each with the hyperparameters, 'rung' and 'minutes'.
        names: Of the hyperparameters.
    """
    columns, lines = ('rung', 'minutes', *names, 'epochs', 'images_per_sec'), []
    for row in sorted(rows, key=lambda row: (int(row['rung']), float(row['top1_error_1'] or 1))):
        error = row['top1_error_1']
        result = tables.format_percent(float(error)) if error else row['status']
        lines.append([*(row[name] for name in columns), result])
    header = ['rung', 'minutes', *names, 'epochs', 'images/s', 'validation error']
    return tables.format_table(header, lines)


def _format_level(rows: Rows) -> str:
    levels = {row['level'] for row in rows}
    return tables.format_percent(float(rows[0]['level'])) if len(levels) == 1 else 'the level'


def _format_epochs_to_level(rows: Rows) -> str:
    """Formats the epochs to the level, and how many runs reached it if not all did."""
    values = get_values(rows, 'epochs_to_level')
    share = f' ({len(values)} of {len(rows)})' if 0 < len(values) < len(rows) else ''
    return f'{format_spread(values)}{share}'


def _format_difference(first: Rows, rows: Rows, name: str) -> str:
    """Formats the difference in percentage points over the seeds that both groups have."""
    base = {row['seed']: float(row[name]) for row in first if row[name] != ''}
    differences = [
        float(row[name]) - base[row['seed']]
        for row in rows
        if row[name] != '' and row['seed'] in base
    ]
    text = format_spread(differences, scale=100)
    return f'+{text}' if text and not text.startswith('-') else text


def _format_interval(interval: tuple[float, float, float] | None) -> str:
    """Formats the ends of an interval in percentage points."""
    if interval is None:
        return ''
    low, _, high = interval
    return f' ({100 * low:+.1f} to {100 * high:+.1f})'
