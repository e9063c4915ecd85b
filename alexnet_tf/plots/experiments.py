"""Plots the errors of an experiment's runs."""

import statistics
from collections.abc import Mapping, Sequence

import matplotlib.axes

from alexnet_tf.plots import charts

_OUTLIER_FACTOR = 1.5  # times the median error
_LABEL_WIDTH = 34  # characters


def plot_errors(errors: Mapping[str, Mapping[str, Sequence[float]]]) -> charts.Figure:
    """Plots the top-1 errors of groups of runs: a dot for each run, a line for their mean.

    A mean far above the others is written at the edge with an arrow; an axis that included it would
    squeeze the others together.

    Args:
        errors: Group -> number of views, such as '10 views' -> errors in [0, 1] of the runs. Each
            number of views has a colour; all groups list the same numbers in the same order.
            Numbers without any run are left out.
    """
    groups = errors.values()
    every = [100 * error for by_views in groups for run in by_views.values() for error in run]
    limit = _OUTLIER_FACTOR * statistics.median(every) if every else 100.0
    figure = charts.Figure(figsize=(7.5, 1.2 + 0.42 * len(errors)), layout='constrained')
    axes, labelled = figure.subplots(), set()
    shown = dict.fromkeys(views for by_views in groups for views in by_views if by_views[views])
    for place, by_views in enumerate(groups):
        for number, views in enumerate(shown):
            at = place + 0.22 * (number - (len(shown) - 1) / 2)
            colour, percents = charts.COLOURS[number], [100 * share for share in by_views[views]]
            if not percents:
                continue
            if statistics.mean(percents) > limit:
                _plot_outlier(axes, statistics.mean(percents), at=at, color=colour)
                continue
            label = None if views in labelled else views
            labelled.add(views)
            _plot_dots(axes, percents, at=at, color=colour, label=label)
    names = [_wrap(charts.escape_text(group)) for group in errors]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel='top-1 error, %', title='A dot is a run, a line the mean over seeds')
    axes.grid(alpha=0.3)
    if labelled:
        axes.legend(fontsize=8)
    return figure


def plot_search(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> charts.Figure:
    """Plots the top-1 errors of a search's runs over each hyperparameter, a colour for each rung.

    Args:
        rows: Rows of `runs.csv`, each with the hyperparameters, 'rung' and 'minutes'. Runs that
            diverged have no error and are left out.
        names: Names of the hyperparameters. An axis is logarithmic unless it includes 0.
    """
    figure = charts.Figure(figsize=(3.2 * len(names), 3.4), layout='constrained')
    rungs = {row['rung']: row['minutes'] for row in rows}
    every_axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for name, axes in zip(names, every_axes, strict=True):
        for rung, minutes in rungs.items():
            done = [row for row in rows if row['rung'] == rung and row['top1_error_1']]
            axes.plot(
                [float(row[name]) for row in done],
                [100 * float(row['top1_error_1']) for row in done],
                'o',
                alpha=0.8,
                color=charts.COLOURS[int(rung)],
                label=f'{minutes} minutes',
            )
        is_positive = all(float(row[name]) > 0 for row in rows)
        axes.set(xlabel=name, xscale='log' if is_positive else 'linear')
        axes.grid(alpha=0.3)
    every_axes[0].set_ylabel('validation top-1 error, %')
    every_axes[0].legend(fontsize=8)
    return figure


def _wrap(group: str) -> str:
    r"""Wraps a group's name between settings.

    >>> _wrap('activation=tanh+initial_bias=0+learning_rate=0.003')
    'activation=tanh+initial_bias=0\n+learning_rate=0.003'
    """
    first, *others = group.split('+')
    lines = [first]
    for setting in others:
        if len(lines[-1]) + len(setting) < _LABEL_WIDTH:
            lines[-1] += f'+{setting}'
        else:
            lines.append(f'+{setting}')
    return '\n'.join(lines)


def _plot_dots(axes: matplotlib.axes.Axes, percents, *, at: float, color: str, label) -> None:
    mean = statistics.mean(percents)
    axes.plot(percents, [at] * len(percents), 'o', alpha=0.7, label=label, color=color)
    axes.plot([mean, mean], [at - 0.12, at + 0.12], linewidth=2, color=color)


def _plot_outlier(axes: matplotlib.axes.Axes, mean: float, *, at: float, color: str) -> None:
    edge = {'xy': (1, at), 'xycoords': axes.get_yaxis_transform(), 'ha': 'right'}
    axes.annotate(f'{mean:.1f} →', **edge, va='center', fontsize=8, color=color)
