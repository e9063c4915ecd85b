"""Figures of an experiment's runs. Wants matplotlib."""

import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.models import outputs
from alexnet_tf.plots import charts, run_plots
from alexnet_tf.reports import experiment_tables, tables

_FAR = 1.5  # times the median error
_WIDE = 34  # letters of a label
_STYLES = ('-', '--', ':', '-.')

Rows = Sequence[Mapping[str, str]]


def errors(rows: Rows) -> charts.Figure:
    """Top-1 error of each group's runs, a dot a run, its mean a line; colours are views.

    Where a group is far off, an arrow at the edge says its mean: the others would be one dot.

    Args:
        rows: Of `runs.csv`.
    """
    by_group = experiment_tables.groups(rows)
    names = {each: f'top1_error_{each}' for each in map(str, outputs.VIEWS.values())}
    every = [100 * x for name in names.values() for x in experiment_tables.values(rows, name)]
    most = _FAR * statistics.median(every) if every else 100.0
    size = (7.5, 1.2 + 0.42 * len(by_group))
    figure = charts.Figure(figsize=size, layout='constrained')
    axes = figure.subplots()
    for nth, (views, name) in enumerate(names.items()):
        label = tables.views(views)
        for place, own in enumerate(by_group.values()):
            found = [100 * each for each in experiment_tables.values(own, name)]
            if found:
                at = place + 0.22 * (nth - 0.5)
                if _dots(axes, found, at, most, {'color': run_plots.COLOURS[nth]}, label):
                    label = None
    groups = [_wrapped(charts.plain(each)) for each in by_group]
    axes.set_yticks(range(len(groups)), groups, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel='top-1 error (%)', title='A dot is a run, a line the mean over seeds')
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8)
    return figure


def _wrapped(group: str) -> str:
    """A group's name in lines, divided between settings.

    >>> _wrapped('activation=tanh+initial_bias=0+learning_rate=0.003')
    'activation=tanh+initial_bias=0\\n+learning_rate=0.003'
    """
    first, *others = group.split('+')
    lines = [first]
    for each in others:
        if len(lines[-1]) + len(each) < _WIDE:
            lines[-1] += f'+{each}'
        else:
            lines.append(f'+{each}')
    return '\n'.join(lines)


def _dots(axes, found: Sequence[float], at: float, most: float, colour, label) -> bool:
    """Whether there are dots, not an arrow."""
    mean = statistics.mean(found)
    if mean > most:
        where = {'xy': (1, at), 'xycoords': axes.get_yaxis_transform(), 'ha': 'right'}
        axes.annotate(f'{mean:.1f} →', **where, va='center', fontsize=8, **colour)
        return False
    axes.plot(found, [at] * len(found), 'o', alpha=0.7, label=label, **colour)
    axes.plot([mean, mean], [at - 0.12, at + 0.12], linewidth=2, **colour)
    return True
