"""The first layer's kernels as one picture (the paper's figure 3). NumPy only."""

from collections.abc import Sequence

import numpy as np

A_ROW = 16
_GAP, _ENLARGED = 1, 4


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
