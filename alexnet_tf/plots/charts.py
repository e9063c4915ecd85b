"""Figures, drawn by matplotlib (the extra [plots])."""

import io
import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.figure
import numpy as np

from input_pipeline import files

# Told apart by people who do not see red or green, and in print.
_BLUE, _ORANGE, _PALE = '#0072b2', '#d55e00', '#a9cde8'
_DPI = 120
_ACROSS = 4  # pictures in a row
_LONGEST = 30  # letters of a title
_WITH_NUMBERS = 20  # classes

Figure = matplotlib.figure.Figure


def save(figure: Figure, path: pathlib.Path) -> None:
    """Writes a PNG, or an SVG where the name ends so."""
    kind = 'svg' if pathlib.Path(path).suffix == '.svg' else 'png'
    more = {'metadata': {'Date': None}} if kind == 'svg' else {}
    # The same figure is the same file.
    with files.atomic_file(path) as aside, matplotlib.rc_context({'svg.hashsalt': 'alexnet_tf'}):
        figure.savefig(aside, dpi=_DPI, format=kind, **more)


def png(figure: Figure) -> bytes:
    """The figure as an encoded PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, format='png')
    return buffer.getvalue()


def curves(epochs: Sequence[Mapping[str, str]]) -> Figure:
    """Training and validation error against epochs; dotted lines where the rate was divided.

    Args:
        epochs: Rows of `summary.csv`.
    """
    figure = Figure(figsize=(7, 4.2), layout='constrained')
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
    return figure


def predictions(drawn: Sequence[tuple[Mapping, np.ndarray]]) -> Figure:
    """Pictures, each over the bars of its likeliest classes (in the manner of figure 4).

    Args:
        drawn: (row with file, classes, probabilities, and the true class as `label` where it is
            known; picture (256, 256, 3) uint8) each. The true class's bar is orange.
    """
    columns = min(_ACROSS, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(3 * columns, 4.6 * rows), layout='constrained')
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2, 1] * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    for at, (row, picture) in enumerate(drawn):
        below, across = 2 * (at // columns), at % columns
        _picture(grid[below, across], row.get('label') or pathlib.Path(row['file']).name, picture)
        _bars(grid[below + 1, across], row['classes'], row['probabilities'], row.get('label'))
    return figure


def sheet(pictures: Sequence[np.ndarray], captions: Sequence[str], across: int = _ACROSS) -> Figure:
    """Pictures in rows, each under its caption.

    Args:
        pictures: (height, width, 3) uint8 each.
        captions: Of each; may have several lines.
        across: Pictures in a row.
    """
    columns = min(across, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(2.6 * columns, 3.2 * rows), layout='constrained')
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, picture, caption in zip(grid, pictures, captions, strict=False):
        axes.imshow(picture)
        lines = (plain(_short(line)) for line in caption.splitlines())
        axes.set_title('\n'.join(lines), fontsize=9)
    return figure


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """How much of each class was taken for which, in shares of the true class.

    Args:
        counts: (classes, classes) int: true class by predicted class.
        classes: Their names.
    """
    few = len(classes) <= _WITH_NUMBERS
    side = max(3.5, 0.55 * len(classes)) if few else 7
    figure = Figure(figsize=(side + 1.2, side), layout='constrained')
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shown = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label='share of the true class', shrink=0.8)
    axes.set(xlabel='taken for', ylabel='true class', title='Confusion')
    if few:
        names = [plain(_short(each.split(',')[0], 18)) for each in classes]
        axes.set_xticks(range(len(names)), names, rotation=45, ha='right', fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        for (row, column), number in np.ndenumerate(counts):
            colour = 'white' if shares[row, column] > 0.5 else 'black'
            axes.text(column, row, number, ha='center', va='center', color=colour, fontsize=8)
    return figure


def reliability(bins: Sequence[tuple]) -> Figure:
    """The share that was right against the network's confidence.

    Args:
        bins: (from, to, examples, mean confidence, share that was right) of each.
    """
    figure = Figure(figsize=(4.6, 4.2), layout='constrained')
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ':', color='grey', label='as sure as right')
    sure, right = [each[3] for each in bins], [each[4] for each in bins]
    axes.plot(sure, right, 'o-', color=_BLUE, label='this network')
    axes.set(xlabel='confidence', ylabel='share that was right', title='Calibration')
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _picture(axes, title: str, picture: np.ndarray) -> None:
    axes.imshow(picture)
    axes.set_title(plain(_short(title)), fontsize=10)


def _bars(axes, names: Sequence[str], probabilities: Sequence[float], label: str | None) -> None:
    axes.set_axis_on()
    places = range(len(names))
    colours = [_ORANGE if name == label else _PALE for name in names]
    axes.barh(places, probabilities, color=colours)
    for at, name, share in zip(places, names, probabilities, strict=True):
        shown = f'{plain(name.split(",")[0])}  {100 * share:.0f} %'
        axes.text(0.02, at, shown, va='center', fontsize=9)
    axes.set(xlim=(0, 1), yticks=[])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)


def _short(text: str, most: int = _LONGEST) -> str:
    return text if len(text) < most else f'{text[: most - 3]}...'


def plain(text: str) -> str:
    """A text that matplotlib does not take for a formula, whatever a class or file is called."""
    shown = ''.join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return shown.replace('$', r'\$')
