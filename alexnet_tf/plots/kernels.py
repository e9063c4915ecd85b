"""The first layer's kernels as one image (the paper's figure 3), and how colourful they are.

This module does without matplotlib, since training renders kernels, too.
"""

from collections.abc import Collection, Sequence

import keras
import numpy as np

_IMAGES_PER_ROW, _GAP, _ENLARGEMENT = 16, 1, 4
_PERMUTATIONS = 10_000


def get_kernels(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the first layer's kernels, (size, size, 3, kernels) float by column, 'a' and 'b'."""
    layers = [layer for layer in model.layers if layer.name in ('conv1_a', 'conv1_b')]
    return {layer.name[-1]: np.asarray(layer.kernel) for layer in layers}


def describe_rows(model: keras.Model) -> str:
    """Describes the order of the columns' kernels, for a title."""
    return 'conv1, column a above column b' if len(get_kernels(model)) == 2 else 'conv1'


def render_first_layer(model: keras.Model) -> np.ndarray:
    """Renders a network's first layer; see `render_kernels`."""
    return render_kernels(get_kernels(model).values())


def render_kernels(columns: Collection[np.ndarray]) -> np.ndarray:
    """Renders column a's kernels above column b's, 16 in a row.

    Args:
        columns: (size, size, 3, kernels) float, of each column.

    Returns:
        (height, width, 3) uint8 RGB; one scale for all kernels, white gaps between them.
    """
    low = min(kernels.min() for kernels in columns)
    high = max(kernels.max() for kernels in columns)
    scaled = [(kernels - low) / max(high - low, 1e-12) for kernels in columns]
    stacked = np.concatenate([tile(kernels, 1.0) for kernels in scaled])
    enlarged = stacked.repeat(_ENLARGEMENT, axis=0).repeat(_ENLARGEMENT, axis=1)
    return np.round(enlarged * 255).astype(np.uint8)


def tile(images: np.ndarray, gap: float) -> np.ndarray:
    """Tiles images, 16 in a row, with a gap around each.

    Args:
        images: (height, width, ..., images) float.
        gap: Value of the gaps.

    Returns:
        (height, width, ...) float.
    """
    height, width, *channels, count = images.shape
    columns, rows = min(_IMAGES_PER_ROW, count), -(-count // _IMAGES_PER_ROW)
    shape = rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, *channels
    canvas = np.full(shape, gap)
    for number in range(count):
        row, column = divmod(number, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        canvas[top : top + height, left : left + width] = images[..., number]
    return canvas


def compute_colourfulness(kernels: np.ndarray) -> np.ndarray:
    """Computes, for each kernel, the share of its energy that is not grey.

    A kernel's grey part is the mean of its three channels; the rest is colour. Two thirds of white
    noise are colour.

    Args:
        kernels: (size, size, 3, kernels) float.

    Returns:
        (kernels,) float64 in [0, 1].
    """
    energy = (kernels.astype(float) ** 2).sum((0, 1, 2))
    colour = ((kernels - kernels.mean(2, keepdims=True)).astype(float) ** 2).sum((0, 1, 2))
    return colour / np.maximum(energy, 1e-30)


def measure_specialisation(
    runs: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, float]:
    """Tests by permutation whether the two columns differ in colourfulness.

    The paper (section 6.1) says that one column's kernels become largely colour-agnostic and the
    other's colour-specific, in every run, whichever column it is. So the statistic is the absolute
    difference of the two columns' means, averaged over runs; a permutation deals each run's
    kernels out to the columns at random.

    Args:
        runs: Colourfulness of column a's and of column b's kernels, for each run.

    Returns:
        (difference, p), where p is (1 + permutations with at least that difference) / 10,001,
        from 10,000 permutations.
    """
    observed = np.mean([abs(a.mean() - b.mean()) for a, b in runs])
    rng, sums = np.random.default_rng(0), np.zeros(_PERMUTATIONS)
    for a, b in runs:
        kernels = np.tile(np.concatenate([a, b]), (_PERMUTATIONS, 1))
        shuffled = rng.permuted(kernels, axis=1)
        sums += abs(shuffled[:, : len(a)].mean(1) - shuffled[:, len(a) :].mean(1))
    differences = sums / len(runs)
    as_large = (differences >= observed - 1e-12).sum()
    return float(observed), float((1 + as_large) / (1 + _PERMUTATIONS))
