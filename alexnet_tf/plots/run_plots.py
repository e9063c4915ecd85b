"""Figures of runs: kernels, curves of several, activations, gradients."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.plots import charts

# Of Okabe and Ito's palette, told apart by all.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_MOST_MAPS = 64

Epochs = Sequence[Mapping[str, str]]  # rows of summary.csv


def kernels(pictures: Mapping[str, np.ndarray], note: str) -> charts.Figure:
    """The first layers of some runs (the paper's figure 3).

    Args:
        pictures: By run; from `kernels.picture`.
        note: Below them.
    """
    tall = sum(each.shape[0] / each.shape[1] for each in pictures.values())
    figure = charts.Figure(figsize=(7, 7 * tall + 0.6 * len(pictures) + 0.5), layout='constrained')
    grid = figure.subplots(len(pictures), 1, squeeze=False)[:, 0]
    for axes, (name, picture) in zip(grid, pictures.items(), strict=True):
        axes.imshow(picture, interpolation='nearest')
        axes.set_axis_off()
        axes.set_title(f'{charts.plain(name)}: conv1, column a above column b', fontsize=10)
    figure.supxlabel('\n'.join(textwrap.wrap(note, 90)), fontsize=9)
    return figure


def curves(runs: Mapping[str, Epochs]) -> charts.Figure:
    """Training error, dashed, and validation error of several runs against epochs."""
    figure = charts.Figure(figsize=(7.5, 4.8), layout='constrained')
    axes = figure.subplots()
    for at, (name, epochs) in enumerate(runs.items()):
        colour, where = COLOURS[at % len(COLOURS)], _numbers(epochs, 'epoch')
        for split, style in (('train', '--'), ('validation', '-')):
            label = f'{_label(name)}, {split}'
            errors = 100 * _numbers(epochs, f'{split}_top1_error')
            axes.plot(where, errors, style, color=colour, label=label, marker=_marker(epochs))
        for drop in _drops(epochs):
            axes.axvline(drop, color=colour, linestyle=':', linewidth=1)
    axes.set(xlabel='epoch', ylabel='top-1 error (%)')
    axes.set_title('Error by epoch; dotted: the learning rate was divided')
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def training_curves(
    runs: Mapping[str, Epochs], level: float = 0.25, groups: Mapping[str, str] | None = None
) -> charts.Figure:
    """Training error against epochs (the paper's figure 1): the first solid, others dashed.

    Args:
        runs: Rows of `summary.csv` by run.
        level: A dotted line.
        groups: Of each run: those of one look alike. Each is its own by default.
    """
    figure = charts.Figure(figsize=(6, 4.8), layout='constrained')
    axes, groups = figure.subplots(), groups or dict.fromkeys(runs)
    known: dict[str, int] = {}
    for name, epochs in runs.items():
        group = groups[name] or name
        label = None if group in known else _label(group)
        at = known.setdefault(group, len(known))
        errors = _numbers(epochs, 'train_top1_error')
        style, colour = ('--' if at else '-'), COLOURS[at % len(COLOURS)]
        axes.plot(
            *(_numbers(epochs, 'epoch'), errors, style),
            color=colour,
            label=label,
            marker=_marker(epochs),
        )
    axes.axhline(level, color='grey', linestyle=':', linewidth=1)
    axes.set(xlabel='epoch', ylabel='training error rate', title='Training error by epoch')
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def activations(maps: Mapping[str, np.ndarray], picture: np.ndarray, layer: str) -> charts.Figure:
    """What a layer makes of one picture: its maps, or its units as a strip.

    Args:
        maps: By column: (height, width, maps), or (units,).
        picture: What it saw, (side, side, 3) uint8.
        layer: Its name.
    """
    figure = charts.Figure(figsize=(9, 3 + 3.2 * len(maps)), layout='constrained')
    grid = figure.subplots(
        1 + len(maps), 1, squeeze=False, height_ratios=[1.0] + [1.4] * len(maps)
    )[:, 0]
    grid[0].imshow(picture)
    grid[0].set_axis_off()
    grid[0].set_title('the picture, as the network sees it', fontsize=10)
    scale = _scale(list(maps.values()))
    for axes, (column, values) in zip(grid[1:], maps.items(), strict=True):
        aspect = 'equal' if values.ndim == 3 else 'auto'
        shown = axes.imshow(_tiled(values), aspect=aspect, **scale)
        axes.set_axis_off()
        number = min(values.shape[-1], _MOST_MAPS) if values.ndim == 3 else values.size
        what = 'maps' if values.ndim == 3 else 'units'
        axes.set_title(f'{layer}, column {column}: {number} of {values.shape[-1]} {what}')
    figure.colorbar(shown, ax=list(grid[1:]), label='activation', shrink=0.6)
    return figure


def gradient(picture: np.ndarray, slopes: np.ndarray, name: str) -> charts.Figure:
    """The slope of a class's logit with each pixel, beside the picture.

    Args:
        picture: (side, side, 3) uint8.
        slopes: (side, side, 3) float.
        name: Of the class.
    """
    figure = charts.Figure(figsize=(9, 4.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.imshow(picture)
    left.set_title('the picture, as the network sees it', fontsize=10)
    size = np.abs(slopes).max(-1)
    shown = right.imshow(size, cmap='magma', vmin=0, vmax=np.percentile(size, 99.5))
    right.set_title(f'|d logit / d pixel| of {charts.plain(name)}', fontsize=10)
    figure.colorbar(shown, ax=right, label='logit a grey level, largest channel', shrink=0.8)
    for axes in (left, right):
        axes.set_axis_off()
    return figure


def _scale(values: Sequence[np.ndarray]) -> dict:
    """From nothing to the largest; where there are values below 0, the same on both sides of it."""
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    if low >= 0:
        return {'cmap': 'viridis', 'vmin': 0, 'vmax': high}
    most = max(-low, high)
    return {'cmap': 'PuOr', 'vmin': -most, 'vmax': most}


def _label(name: str) -> str:
    """Of a legend, which leaves out what begins with a line below."""
    return charts.plain(f' {name}' if name.startswith('_') else name)


def _numbers(epochs: Epochs, name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in epochs])


def _drops(epochs: Epochs) -> list[int]:
    rates = _numbers(epochs, 'learning_rate')
    return [int(row['epoch']) for row, a, b in zip(epochs, rates, rates[1:]) if a != b]  # noqa: B905


def _marker(epochs: Epochs) -> str | None:
    return 'o' if len(epochs) < 2 else None


def _tiled(values: np.ndarray) -> np.ndarray:
    """Maps side by side with a line between; units in rows of 64."""
    if values.ndim == 1:
        padded = np.full(-(-values.size // 64) * 64, np.nan)
        padded[: values.size] = values
        return padded.reshape(-1, 64)
    height, width, number = (*values.shape[:2], min(values.shape[-1], _MOST_MAPS))
    across = min(16, number)
    canvas = np.full((-(-number // across) * (height + 1), across * (width + 1)), np.nan)
    for at in range(number):
        row, column = divmod(at, across)
        top, left = row * (height + 1), column * (width + 1)
        canvas[top : top + height, left : left + width] = values[..., at]
    return canvas
