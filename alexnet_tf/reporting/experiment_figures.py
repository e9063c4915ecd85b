"""Figures of an experiment's runs. Wants matplotlib."""

import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.reporting import experiment_tables, figures

# Of Okabe and Ito's palette, told apart by all.
_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_FAR = 1.5  # times the median error
_STYLES = ('-', '--', ':', '-.')

Rows = Sequence[Mapping[str, str]]


def errors(rows: Rows) -> figures.Figure:
    """Top-1 error of each group's runs, a dot a run, its mean a line; colours are views.

    Where a group is far off, an arrow at the edge says its mean: the others would be one dot.

    Args:
        rows: Of `runs.csv`.
    """
    by_group = experiment_tables.groups(rows)
    names = {each: f'top1_error_{each}' for each in experiment_tables.VIEWS}
    every = [100 * x for name in names.values() for x in experiment_tables.values(rows, name)]
    most = _FAR * statistics.median(every) if every else 100.0
    size = (7.5, 1.2 + 0.42 * len(by_group))
    figure = figures.Figure(figsize=size, layout='constrained')
    axes = figure.subplots()
    for nth, (views, name) in enumerate(names.items()):
        label = experiment_tables.views_text(views)
        for place, own in enumerate(by_group.values()):
            found = [100 * each for each in experiment_tables.values(own, name)]
            if found:
                at = place + 0.22 * (nth - 0.5)
                _dots(axes, found, at, most, {'color': _COLOURS[nth]}, label)
                label = None
    axes.set_yticks(range(len(by_group)), [figures.plain(each) for each in by_group], fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel='top-1 error (%)', title='A dot is a run, a line the mean over seeds')
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8)
    return figure


def _dots(axes, found: Sequence[float], at: float, most: float, colour, label) -> None:
    mean = statistics.mean(found)
    if mean > most:
        where = {'xy': (1, at), 'xycoords': axes.get_yaxis_transform(), 'ha': 'right'}
        axes.annotate(f'{mean:.1f} →', **where, va='center', fontsize=8, **colour)
        return
    axes.plot(found, [at] * len(found), 'o', alpha=0.7, label=label, **colour)
    axes.plot([mean, mean], [at - 0.12, at + 0.12], linewidth=2, **colour)


def training_curves(
    curves: Mapping[str, Rows], groups: Mapping[str, str], level: float
) -> figures.Figure:
    """Training error against epochs (the paper's figure 1): a colour and a dash for each group.

    Args:
        curves: Rows of `summary.csv` by run.
        groups: The group of each run.
        level: A dotted line.
    """
    figure = figures.Figure(figsize=(7, 4.8), layout='constrained')
    axes, known = figure.subplots(), list(dict.fromkeys(groups.values()))
    for group in known:
        at, label = known.index(group), figures.plain(group)
        for name in (each for each, its in groups.items() if its == group):
            epochs = [int(row['epoch']) for row in curves[name]]
            shares = [float(row['train_top1_error']) for row in curves[name]]
            style = {
                'color': _COLOURS[at % len(_COLOURS)],
                'linestyle': _STYLES[at % len(_STYLES)],
                'marker': 'o' if len(epochs) < 2 else None,
            }
            axes.plot(epochs, shares, label=label, linewidth=1.4, **style)
            label = None
    axes.axhline(level, color='grey', linestyle=':', linewidth=1)
    axes.set(xlabel='epoch', ylabel='training error rate', title='Training error by epoch')
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure
