"""Plots of runs: kernels, error curves of several runs, activations, gradients."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from alexnet_tf.plots import charts, kernels

_MAX_CHANNELS = 64
_UNITS_PER_ROW = 64
_WIDTH = 7.7  # inches of the tiles of a layer


def plot_kernels(images: Mapping[str, np.ndarray], note: str) -> charts.Figure:
    """Plots the first layer's kernels of some runs (the paper's figure 3).

    Args:
        images: By their titles, from `kernels.render_kernels`.
        note: Text below them.
    """
    height = sum(image.shape[0] / image.shape[1] for image in images.values())
    size = (7, 7 * height + 0.6 * len(images) + 0.5)
    figure = charts.Figure(figsize=size, layout='constrained')
    grid = figure.subplots(len(images), 1, squeeze=False)[:, 0]
    for axes, (title, image) in zip(grid, images.items(), strict=True):
        axes.imshow(image, interpolation='nearest')
        axes.set_axis_off()
        axes.set_title(charts.escape_text(title), fontsize=10)
    figure.supxlabel('\n'.join(textwrap.wrap(note, 90)), fontsize=9)
    return figure


def plot_error_curves(runs: Mapping[str, charts.Epochs]) -> charts.Figure:
    """Plots the training (dashed) and validation error of several runs by epoch.

    Args:
        runs: Rows of `summary.csv` by the run's name. Dotted lines show where the learning rate
            was divided.
    """
    figure = charts.Figure(figsize=(7.5, 4.8), layout='constrained')
    axes = figure.subplots()
    colours = charts.list_colours(len(runs))
    for colour, (name, epochs) in zip(colours, runs.items(), strict=True):
        for split, style in (('train', '--'), ('validation', '-')):
            errors = 100 * charts.get_column(epochs, f'{split}_top1_error')
            label = f'{_legend_label(name)}, {split}'
            charts.plot_by_epoch(axes, epochs, errors, style=style, color=colour, label=label)
        charts.mark_learning_rate_drops(axes, epochs, color=colour)
    charts.finish_epoch_axes(axes, ylabel='top-1 error, %')
    axes.set_title('Error by epoch; dotted: the learning rate was divided')
    axes.legend(fontsize=8)
    return figure


def plot_errors_by_time(
    runs: Mapping[str, charts.Epochs], minutes: Mapping[str, Sequence[float]]
) -> charts.Figure:
    """Plots the validation error of several runs by the time that training had taken.

    Args:
        runs: Rows of `summary.csv` by the run's name.
        minutes: By the run's name, the minutes of training up to each row.
    """
    figure = charts.Figure(figsize=(7.5, 4.8), layout='constrained')
    axes = figure.subplots()
    colours = charts.list_colours(len(runs))
    for colour, (name, epochs) in zip(colours, runs.items(), strict=True):
        errors = 100 * charts.get_column(epochs, 'validation_top1_error')
        axes.plot(minutes[name], errors, '.-', color=colour, label=_legend_label(name))
    axes.set(xlabel='minutes of training', ylabel='validation top-1 error, %')
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_title('Error by time, without validation')
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def plot_training_curves(
    runs: Mapping[str, charts.Epochs], level: float = 0.25, groups: Mapping[str, str] | None = None
) -> charts.Figure:
    """Plots the training error of runs by epoch (the paper's figure 1).

    Args:
        runs: Rows of `summary.csv` by the run's name; the first is solid, the others dashed.
        level: Training error in [0, 1] that a dotted line marks.
        groups: Group by the run's name; runs of a group look alike. By default, each run is a
            group of its own.
    """
    figure = charts.Figure(figsize=(6, 4.8), layout='constrained')
    axes, numbers = figure.subplots(), {}
    group_of = {name: (groups or {}).get(name) or name for name in runs}
    colours = charts.list_colours(len(set(group_of.values())))
    for name, epochs in runs.items():
        group = group_of[name]
        label = None if group in numbers else _legend_label(group)
        number = numbers.setdefault(group, len(numbers))
        charts.plot_by_epoch(
            axes,
            epochs,
            charts.get_column(epochs, 'train_top1_error'),
            style='--' if number else '-',
            color=colours[number],
            label=label,
        )
    axes.axhline(level, color='grey', linestyle=':', linewidth=1)
    charts.finish_epoch_axes(axes, ylabel='training error rate')
    axes.set_title('Training error by epoch')
    axes.legend()
    return figure


def plot_activations(
    activations: Mapping[str, np.ndarray], image: np.ndarray, layer: str
) -> charts.Figure:
    """Plots a layer's activations for one image: its channels as tiles, or its units in rows.

    Args:
        activations: By column: (height, width, channels) or (units,) float.
        image: The crop that the network sees, (crop, crop, 3) uint8 RGB.
        layer: Name of the layer, without the column.
    """
    tiles = {
        column: kernels.tile(values[..., :_MAX_CHANNELS], np.nan)
        if values.ndim == 3
        else _wrap_units(values)
        for column, values in activations.items()
    }
    heights = [3.0, *(_WIDTH * rows.shape[0] / rows.shape[1] for rows in tiles.values())]
    figure = charts.Figure(figsize=(9, sum(heights) + 0.5 * len(heights)), layout='constrained')
    grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    _show_crop(grid[0], image)
    scale = _choose_scale(list(activations.values()))
    for axes, (column, values) in zip(grid[1:], activations.items(), strict=True):
        mappable = axes.imshow(tiles[column], **scale)
        axes.set_axis_off()
        limit, unit = (_MAX_CHANNELS, 'channels') if values.ndim == 3 else (values.size, 'units')
        total = values.shape[-1]
        axes.set_title(f'{layer}, column {column}: {min(total, limit)} of {total} {unit}')
    figure.colorbar(mappable, ax=list(grid[1:]), label='activation', shrink=0.8)
    return figure


def plot_gradient(image: np.ndarray, gradient: np.ndarray, class_name: str) -> charts.Figure:
    """Plots the gradient of a class's logit by each pixel, beside the image.

    Args:
        image: The crop that the network sees, (crop, crop, 3) uint8 RGB.
        gradient: (crop, crop, 3) float, logit per grey level.
        class_name: Name of the class.
    """
    figure = charts.Figure(figsize=(9, 4.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    _show_crop(left, image)
    magnitude = np.abs(gradient).max(-1)
    limit = np.percentile(magnitude, 99.5)
    mappable = right.imshow(magnitude, cmap='magma', vmin=0, vmax=limit)
    right.set_axis_off()
    right.set_title(f'|d logit / d pixel| of {charts.escape_text(class_name)}', fontsize=10)
    figure.colorbar(mappable, ax=right, label='logit per grey level, largest channel', shrink=0.8)
    return figure


def _show_crop(axes, image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_axis_off()
    axes.set_title('image, as the network sees it', fontsize=10)


def _choose_scale(arrays: Sequence[np.ndarray]) -> dict:
    """Chooses a scale from 0 to the maximum, or one symmetric about 0 if there are negatives."""
    low = min(float(values.min()) for values in arrays)
    high = max(float(values.max()) for values in arrays)
    if low >= 0:
        return {'cmap': 'viridis', 'vmin': 0, 'vmax': high}
    limit = max(-low, high)
    return {'cmap': 'PuOr', 'vmin': -limit, 'vmax': limit}


def _legend_label(name: str) -> str:
    # A legend leaves out labels that start with an underscore.
    return charts.escape_text(f' {name}' if name.startswith('_') else name)


def _wrap_units(values: np.ndarray) -> np.ndarray:
    """Wraps units into rows, (rows, _UNITS_PER_ROW)."""
    padded = np.full(-(-values.size // _UNITS_PER_ROW) * _UNITS_PER_ROW, np.nan)
    padded[: values.size] = values
    return padded.reshape(-1, _UNITS_PER_ROW)
