"""Figures, drawn by matplotlib (the extra [plots])."""

import pathlib
from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np

from input_pipeline import files

# Told apart by people who do not see red or green, and in print.
_BLUE, _ORANGE, _PALE = '#0072b2', '#d55e00', '#a9cde8'
_DPI = 120


def curves(epochs: Sequence[Mapping[str, str]], path: pathlib.Path) -> None:
    """Training and validation error against epochs; dotted lines where the rate was divided.

    Args:
        epochs: Rows of `summary.csv`.
        path: The PNG to write.
    """
    figure = matplotlib.figure.Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    at = [int(row['epoch']) for row in epochs]
    for split, colour, style in (('train', _BLUE, '--'), ('validation', _ORANGE, '-')):
        errors = [100 * float(row[f'{split}_top1_error']) for row in epochs]
        marker = 'o' if len(at) < 2 else None
        axes.plot(at, errors, style, color=colour, label=split, marker=marker)
    rates = [float(row['learning_rate']) for row in epochs]
    for before, after, epoch in zip(rates, rates[1:], at, strict=False):
        if after != before:
            axes.axvline(epoch, color='grey', linestyle=':', linewidth=1)
    axes.set(xlabel='epoch', ylabel='top-1 error (%)', title='Training and validation error')
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def predictions(drawn: Sequence[tuple[Mapping, np.ndarray]], path: pathlib.Path) -> None:
    """Pictures, each over the bars of its likeliest classes (in the manner of figure 4).

    Args:
        drawn: (row with file, classes, probabilities; picture (256, 256, 3) uint8) each.
        path: The PNG to write.
    """
    columns = min(4, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = matplotlib.figure.Figure(figsize=(3 * columns, 4.6 * rows), layout='constrained')
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2, 1] * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    for at, (row, picture) in enumerate(drawn):
        below, across = 2 * (at // columns), at % columns
        _picture(grid[below, across], pathlib.Path(row['file']).name, picture)
        _bars(grid[below + 1, across], row['classes'], row['probabilities'])
    _save(figure, path)


def _picture(axes, title: str, picture: np.ndarray) -> None:
    axes.imshow(picture)
    axes.set_title(title if len(title) < 30 else f'{title[:27]}...', fontsize=10)


def _bars(axes, names: Sequence[str], probabilities: Sequence[float]) -> None:
    axes.set_axis_on()
    places = range(len(names))
    axes.barh(places, probabilities, color=_PALE)
    for at, name, share in zip(places, names, probabilities, strict=True):
        axes.text(0.02, at, f'{name.split(",")[0]}  {100 * share:.0f} %', va='center', fontsize=9)
    axes.set(xlim=(0, 1), yticks=[])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)


def _save(figure, path: pathlib.Path) -> None:
    with files.atomic_file(path) as aside:
        figure.savefig(aside, dpi=_DPI, format='png')
