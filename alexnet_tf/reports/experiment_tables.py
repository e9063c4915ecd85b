"""Runs that differ in some settings, as a table: mean and spread over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.models import outputs
from alexnet_tf.reports import tables

Rows = Sequence[Mapping[str, str]]
DONE, DIVERGED = 'done', 'diverged'


def epochs_to(epochs: Rows, level: float = 0.25) -> float | None:
    """Epochs until the training error is at most `level`, between two epochs by the line.

    Args:
        epochs: Rows of `summary.csv`.
        level: In [0, 1].
    """
    before = None
    for row in epochs:
        at, error = float(row['epoch']), float(row['train_top1_error'])
        if math.isnan(error):  # of an epoch in which nothing was learned
            continue
        if error <= level:
            if before is None:
                return at
            return before[0] + (at - before[0]) * (before[1] - level) / (before[1] - error)
        before = at, error
    return None


def groups(rows: Rows) -> dict[str, list[Mapping[str, str]]]:
    """Rows by what they change, in the order they come."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault(row['group'], []).append(row)
    return found


def values(rows: Rows, name: str) -> list[float]:
    """A column's numbers, of the runs that have one."""
    return [float(row[name]) for row in rows if row[name] != '']


def spread(numbers: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """Mean and standard deviation over runs, '' of none.

    >>> spread([0.3, 0.32], 100)
    '31.0 ± 1.4'
    """
    if not numbers:
        return ''
    if not all(map(math.isfinite, numbers)):
        return 'nan'
    mean = f'{scale * statistics.mean(numbers):.{digits}f}'
    if len(numbers) == 1:
        return mean
    return f'{mean} ± {scale * statistics.stdev(numbers):.{digits}f}'


def text(rows: Rows) -> str:
    """For people: a line a group, and by how many points it differs from the first.

    Args:
        rows: Of `runs.csv`.
    """
    by_group = groups(rows)
    shown = [
        each for each in map(str, outputs.VIEWS.values()) if values(rows, f'top1_error_{each}')
    ]
    header = ['', 'runs', 'diverged', 'epochs', 'training error, %']
    for views in shown:
        header += [f'top-1 error, {tables.views(views)}, %', 'difference']
    levels = {row['level'] for row in rows}
    level = tables.percent(float(rows[0]['level'])) if len(levels) == 1 else 'the level'
    leveled = values(rows, 'epochs_to_level')
    header += [f'epochs to {level} in training'] * bool(leveled) + ['images/s']
    lines, first = [], next(iter(by_group.values()))
    for group, every in by_group.items():
        own = [row for row in every if row['status'] == DONE]
        diverged = len(every) - len(own)
        line = [group, str(len(every)), str(diverged or '')]
        line += [spread(values(own, 'epochs'), digits=0)]
        line += [spread(values(own, 'train_top1_error'), 100)]
        for views in shown:
            name = f'top1_error_{views}'
            line.append(spread(values(own, name), 100))
            line.append('' if every is first else _difference(first, own, name))
        line += [_reached(own)] * bool(leveled) + [spread(values(own, 'images_per_sec'))]
        lines.append(line)
    return (
        'Mean and standard deviation over runs; differences in points to the first line, seed by '
        'seed.\n\n' + tables.text(header, lines)
    )


def _reached(own: Rows) -> str:
    """Epochs to the level, and of how many runs where not all have reached it."""
    found = values(own, 'epochs_to_level')
    some = f' ({len(found)} of {len(own)})' if 0 < len(found) < len(own) else ''
    return f'{spread(found)}{some}'


def _difference(first: Rows, own: Rows, name: str) -> str:
    """By how many points, of seeds that both have."""
    base = {row['seed']: float(row[name]) for row in first if row[name] != ''}
    found = [
        float(row[name]) - base[row['seed']]
        for row in own
        if row[name] != '' and row['seed'] in base
    ]
    text = spread(found, 100)
    return f'+{text}' if text and not text.startswith('-') else text
