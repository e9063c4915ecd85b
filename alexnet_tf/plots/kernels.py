"""The first layer's kernels as one picture (the paper's figure 3), and how colourful they are.

NumPy only.
"""

from collections.abc import Sequence

import numpy as np

A_ROW = 16
_GAP, _ENLARGED = 1, 4


def of(model, columns: int) -> dict[str, np.ndarray]:
    """The first layer's kernels by column, (size, size, 3, kernels) each."""
    return {at: np.asarray(model.get_layer(f'conv1_{at}').kernel) for at in 'ab'[:columns]}


def picture(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Column a's kernels above column b's, 16 in a row.

    Args:
        columns: Each (size, size, 3, kernels) float.

    Returns:
        (height, width, 3) uint8; one scale for all kernels, white between them.
    """
    low = min(each.min() for each in columns)
    high = max(each.max() for each in columns)
    scaled = [(each - low) / max(high - low, 1e-12) for each in columns]
    stacked = np.concatenate([_rows(each) for each in scaled])
    enlarged = stacked.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
    return np.round(enlarged * 255).astype(np.uint8)


def _rows(kernels: np.ndarray) -> np.ndarray:
    size, number = kernels.shape[0], kernels.shape[-1]
    step = size + _GAP
    columns, rows = min(A_ROW, number), -(-number // A_ROW)
    canvas = np.ones((rows * step + _GAP, columns * step + _GAP, 3))
    for at in range(number):
        row, column = (_GAP + place * step for place in divmod(at, A_ROW))
        canvas[row : row + size, column : column + size] = kernels[..., at]
    return canvas


def colourfulness(kernels: np.ndarray) -> np.ndarray:
    """Of each kernel, the share of its energy that is not grey, in [0, 1].

    A kernel's grey part is the mean of its three channels; the rest is colour. Of white noise
    two thirds are colour.

    Args:
        kernels: (size, size, 3, kernels) float.
    """
    energy = (kernels.astype(float) ** 2).sum((0, 1, 2))
    colour = ((kernels - kernels.mean(2, keepdims=True)).astype(float) ** 2).sum((0, 1, 2))
    return colour / np.maximum(energy, 1e-30)


def specialisation(
    runs: Sequence[tuple[np.ndarray, np.ndarray]], permutations: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """How far apart the columns' mean colourfulness is, and how often chance does as well.

    The paper says that one column's kernels become largely agnostic of colour and the other's not,
    in every run, whichever column it is. So the statistic is the absolute difference of the two
    means, averaged over runs; chance deals each run's kernels out to the columns anew.

    Args:
        runs: Of each, column a's and column b's colourfulness.
        permutations: Deals.
        seed: Of them.

    Returns:
        (difference, p), where p is (1 + deals with at least as large a difference) / (1 + deals).
    """
    found = np.mean([abs(a.mean() - b.mean()) for a, b in runs])
    random, sums = np.random.default_rng(seed), np.zeros(permutations)
    for a, b in runs:
        dealt = random.permuted(np.tile(np.concatenate([a, b]), (permutations, 1)), axis=1)
        sums += abs(dealt[:, : len(a)].mean(1) - dealt[:, len(a) :].mean(1))
    chance = sums / len(runs)
    return float(found), float((1 + (chance >= found - 1e-12).sum()) / (1 + permutations))
