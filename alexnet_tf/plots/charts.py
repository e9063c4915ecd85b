"""Charts that several commands plot: error curves, predictions, confusion, calibration."""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import matplotlib.axes
import matplotlib.figure
import matplotlib.ticker
import numpy as np

from input_pipeline import escaping, files

# Okabe and Ito's palette, which colour-blind people can tell apart.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_BLUE, _ORANGE, _PALE_BLUE = *COLOURS[:2], '#a9cde8'
_DPI = 120
_COLUMNS = 4
_MAX_BARS = 20  # below an image
_TITLE_LENGTH = 30
_ANNOTATED_CLASSES = 20  # most classes whose cells and axes have room for text

Figure = matplotlib.figure.Figure
Epochs = Sequence[Mapping[str, str]]  # rows of summary.csv


class FigureWithData(NamedTuple):
    """A figure and the values that it shows.

    Attributes:
        figure: The figure.
        header: Column names of the table of values.
        rows: Rows of the table.
    """

    figure: Figure
    header: tuple[str, ...]
    rows: list[tuple]


def save_figure(figure: Figure, path: pathlib.Path) -> None:
    """Writes a figure as an SVG if the path ends in .svg, else as a PNG.

    The same figure gives the same bytes.
    """
    encode = _encode_svg if pathlib.Path(path).suffix == '.svg' else encode_png
    with files.output_file(path) as aside:
        aside.write_bytes(encode(figure))  # in one write: a pipe cannot seek


def encode_png(figure: Figure) -> bytes:
    """Encodes a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, format='png')
    return buffer.getvalue()


def _encode_svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context({'svg.hashsalt': 'alexnet_tf'}):
        figure.savefig(buffer, dpi=_DPI, format='svg', metadata={'Date': None})
    return buffer.getvalue()


def list_colours(count: int) -> list:
    """Returns colours of matplotlib that can be told apart: beyond seven, those of a rainbow.

    >>> list_colours(2)
    ['#0072b2', '#d55e00']
    >>> len(set(list_colours(30)))
    30
    """
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return [tuple(colour) for colour in matplotlib.colormaps['turbo'](np.linspace(0, 1, count))]


def plot_curves(epochs: Epochs) -> Figure:
    """Plots the training and validation error of one run by epoch.

    Args:
        epochs: Rows of `summary.csv`. Dotted lines show where the learning rate was divided.
    """
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    for split, colour, style in (('train', _BLUE, '--'), ('validation', _ORANGE, '-')):
        errors = 100 * get_column(epochs, f'{split}_top1_error')
        plot_by_epoch(axes, epochs, errors, style=style, color=colour, label=split)
    mark_learning_rate_drops(axes, epochs, color='grey')
    axes.set_title('Training and validation error')
    finish_epoch_axes(axes, ylabel='top-1 error, %')
    axes.legend()
    return figure


def plot_by_epoch(
    axes: matplotlib.axes.Axes, epochs: Epochs, values: np.ndarray, *, style: str, **options
) -> None:
    """Adds a curve over epochs to axes.

    Args:
        axes: The axes; `finish_epoch_axes` finishes them.
        epochs: Rows of `summary.csv`; a single one is shown as a dot.
        values: (epochs,) values.
        style: Line style.
        options: Options of `matplotlib.axes.Axes.plot`.
    """
    marker = 'o' if len(epochs) < 2 else None
    axes.plot(get_column(epochs, 'epoch'), values, style, marker=marker, **options)


def finish_epoch_axes(axes: matplotlib.axes.Axes, *, ylabel: str) -> None:
    """Labels axes of non-negative curves over epochs, after the last curve was added."""
    axes.set(xlabel='epoch', ylabel=ylabel)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def mark_learning_rate_drops(axes: matplotlib.axes.Axes, epochs: Epochs, *, color: str) -> None:
    """Adds a dotted line at the end of each epoch after which the learning rate changed.

    If rows are missing in between, a shaded strip shows where it may have changed. A schedule that
    changes it most of the time, such as the cosine, gets no lines.
    """
    is_changed = np.diff(get_column(epochs, 'learning_rate')) != 0
    if is_changed.sum() > len(is_changed) / 2:
        return
    for at in np.flatnonzero(is_changed):
        before, after = (int(row['epoch']) for row in epochs[at : at + 2])
        if after > before + 1:
            axes.axvspan(before, after - 1, color=color, alpha=0.15, linewidth=0)
        else:
            axes.axvline(before, color=color, linestyle=':', linewidth=1)


def get_column(epochs: Epochs, name: str) -> np.ndarray:
    """Returns a column of `summary.csv`, (epochs,) float64."""
    return np.array([float(row[name]) for row in epochs])


def plot_predictions(predictions: Sequence[tuple[Mapping, np.ndarray]]) -> Figure:
    """Plots images, each above the probabilities of its top classes, as in the paper's figure 4.

    Args:
        predictions: (row, image) pairs. A row holds `file`, `classes`, `probabilities` and, if it
            is known, the true class as `label`, whose bar is orange; an image is (256, 256, 3)
            uint8 RGB.
    """
    columns = min(_COLUMNS, len(predictions))
    rows = -(-len(predictions) // columns)
    most = max(len(row['classes']) for row, _ in predictions)
    share = max(1, min(most, _MAX_BARS) / 5)  # height of the bars; five bars have 1
    figure = Figure(figsize=(3 * columns, 4.6 * (2 + share) / 3 * rows), layout='constrained')
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[2, share] * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, (row, image) in enumerate(predictions):
        top, column = 2 * (number // columns), number % columns
        title = row.get('label') or pathlib.Path(row['file']).name
        grid[top, column].imshow(image)
        grid[top, column].set_title(escape_text(_shorten(title)), fontsize=10)
        _plot_bars(grid[top + 1, column], row)
    return figure


def _plot_bars(axes: matplotlib.axes.Axes, row: Mapping) -> None:
    names, probabilities = (row[key][:_MAX_BARS] for key in ('classes', 'probabilities'))
    axes.set_axis_on()
    colours = [_ORANGE if name == row.get('label') else _PALE_BLUE for name in names]
    axes.barh(range(len(names)), probabilities, color=colours)
    for place, (name, probability) in enumerate(zip(names, probabilities, strict=True)):
        text = f'{escape_text(name.split(",")[0])}  {100 * probability:.0f} %'
        axes.text(0.02, place, text, va='center', fontsize=9)
    axes.set(xlim=(0, 1), yticks=[], xticks=(0, 0.5, 1), xticklabels=('0', '0.5', '1'))
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)


def plot_image_grid(
    images: Sequence[np.ndarray], captions: Sequence[str], columns: int = _COLUMNS
) -> Figure:
    """Plots images in rows, each below its caption.

    Args:
        images: (height, width, 3) uint8 RGB images.
        captions: One for each image; a caption may have several lines.
        columns: Images in a row.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2.6 * columns, 3.2 * rows), layout='constrained')
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, image, caption in zip(grid, images, captions, strict=False):
        axes.imshow(image)
        lines = (escape_text(_shorten(line)) for line in caption.splitlines())
        axes.set_title('\n'.join(lines), fontsize=9)
    return figure


def plot_confusion(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Plots a confusion matrix, as shares of the true class.

    Args:
        counts: (classes, classes) int: true class by predicted class.
        classes: Names of the classes.
    """
    annotated = len(classes) <= _ANNOTATED_CLASSES
    side = max(3.5, 0.55 * len(classes)) if annotated else 7
    figure = Figure(figsize=(side + 1.2, side), layout='constrained')
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    matrix = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(matrix, ax=axes, label='share of the true class', shrink=0.8)
    axes.set(xlabel='predicted class', ylabel='true class', title='Confusion matrix')
    if annotated:
        names = [escape_text(_shorten(name.split(',')[0], 18)) for name in classes]
        axes.set_xticks(range(len(names)), names, rotation=45, ha='right', fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        for (row, column), count in np.ndenumerate(counts):
            colour = 'white' if shares[row, column] > 0.5 else 'black'
            axes.text(column, row, count, ha='center', va='center', color=colour, fontsize=8)
    return figure


def plot_calibration(bins: Sequence[tuple]) -> Figure:
    """Plots accuracy against confidence, a reliability diagram.

    Args:
        bins: (lower edge, upper edge, examples, mean confidence, accuracy) of each bin.
    """
    figure = Figure(figsize=(4.6, 4.2), layout='constrained')
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ':', color='grey', label='perfect calibration')
    confidences, accuracies = [row[3] for row in bins], [row[4] for row in bins]
    axes.plot(confidences, accuracies, 'o-', color=_BLUE, label='this network')
    axes.set(xlabel='confidence', ylabel='accuracy', title='Calibration')
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def escape_text(text: str) -> str:
    r"""Escapes a class or file name, so that matplotlib shows it and parses no formula.

    >>> escape_text('a$b\n')
    'a\\$b\\n'
    """
    return escaping.to_printable(text).replace('$', r'\$')


def _shorten(text: str, length: int = _TITLE_LENGTH) -> str:
    return text if len(text) <= length else f'{text[: length - 3]}...'
