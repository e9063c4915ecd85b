"""Converts weights between the layouts of programs and this package's two columns.

In between, kernels are (rows, columns, in, out) and (in, out) with all columns in one array, conv1
reads RGB, and fc6 reads the last feature maps position by position.
"""

import numpy as np

from alexnet_tf.models.weights import layouts

_OURS, _OURS_DENSE, _OURS_FLATTEN = 'HWIO', 'IO', 'HWC'


def from_layout(
    layout: layouts.Layout, layer: str, kernel: np.ndarray, maps: tuple[int, int, int]
) -> np.ndarray:
    """Converts a kernel of a layout.

    Args:
        layout: How the kernel is laid out.
        layer: The paper's name of its layer, 'conv1' to 'fc8'.
        kernel: As the file has it.
        maps: Rows, columns and channels that fc6 reads, of all columns.

    Returns:
        (rows, columns, in, out), or (in, out).

    Example:
    >>> kernel = np.zeros((96, 3, 11, 11))
    >>> from_layout(layouts.TORCHVISION, 'conv1', kernel, (6, 6, 256)).shape
    (11, 11, 3, 96)
    """
    if layer.startswith('conv'):
        kernel = kernel.transpose(_find_axes(layout.convolution, _OURS))
        return _flip_colours(layout, layer, kernel)
    if layout.dense == 'OI':
        # Older Caffe: (1, 1, out, in).
        kernel = kernel.reshape(kernel.shape[-2:] if kernel.shape[0] == 1 else (len(kernel), -1)).T
    kernel = kernel.reshape(-1, kernel.shape[-1])
    return _reorder_inputs(layout.flatten, _OURS_FLATTEN, layer, kernel, maps)


def to_layout(
    layout: layouts.Layout, layer: str, kernel: np.ndarray, maps: tuple[int, int, int]
) -> np.ndarray:
    """Converts a kernel to a layout, the inverse of `from_layout`."""
    if layer.startswith('conv'):
        kernel = _flip_colours(layout, layer, kernel)
        return kernel.transpose(_find_axes(_OURS, layout.convolution))
    kernel = _reorder_inputs(_OURS_FLATTEN, layout.flatten, layer, kernel, maps)
    return kernel.transpose(_find_axes(_OURS_DENSE, layout.dense))


def split(
    layer: str, kernel: np.ndarray, bias: np.ndarray, columns: int, maps: tuple[int, int, int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits a layer's outputs into columns, and orders fc6's inputs by column.

    Args:
        layer: The paper's name of the layer.
        kernel: The kernel of all columns, from `from_layout`.
        bias: (out,).
        columns: How many columns the layer has.
        maps: See `from_layout`.

    Returns:
        Kernel and bias of each column. fc6 reads one column's maps, then the other's.

    Raises:
        ValueError: The outputs do not divide into columns.
    """
    rows, across, channels = maps
    if layer == 'fc6' and columns > 1 and kernel.shape[0] == np.prod(maps):
        divided = kernel.reshape(rows, across, columns, channels // columns, -1)
        kernel = divided.transpose(2, 0, 1, 3, 4).reshape(kernel.shape)
    parts = (np.split(array, columns, axis=-1) for array in (kernel, bias))
    return list(zip(*parts, strict=True))


def _find_axes(axes: str, wanted: str) -> list[int]:
    return [axes.index(axis) for axis in wanted]


def _flip_colours(layout: layouts.Layout, layer: str, kernel: np.ndarray) -> np.ndarray:
    return kernel[:, :, ::-1] if layer == 'conv1' and layout.colours == 'BGR' else kernel


def _reorder_inputs(
    order: str, wanted: str, layer: str, kernel: np.ndarray, maps: tuple[int, int, int]
) -> np.ndarray:
    if layer != 'fc6' or order == wanted or kernel.shape[0] != np.prod(maps):
        return kernel  # a shape that does not fit is refused later, by name
    sizes = dict(zip('HWC', maps, strict=True))
    divided = kernel.reshape(*(sizes[axis] for axis in order), -1)
    return divided.transpose(*_find_axes(order, wanted), 3).reshape(kernel.shape)
