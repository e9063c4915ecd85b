"""Reads mean images of other programs, in any of their layouts."""

import pathlib
from collections.abc import Sequence

import numpy as np

from alexnet_tf.models.weights import caffemodel, numpy_files, weight_file
from input_pipeline import errors

CHANNELS = 3
_READERS = {'.npy': numpy_files.read_array, '.binaryproto': caffemodel.read_mean_image}


def read(path: pathlib.Path) -> np.ndarray:
    """Reads a mean image.

    Args:
        path: A `.npy`: (rows, columns, 3) is RGB, (3, rows, columns) is Caffe's BGR, and (3,) is
            one RGB colour. Or a `.binaryproto` of Caffe.

    Returns:
        (rows, columns, 3) or (3,) float32, RGB.

    Raises:
        DataError: The file does not exist, is broken, or holds something else.
    """
    if not path.is_file():
        raise errors.DataError(f'{path}: no such file.')
    if path.suffix not in _READERS:
        raise errors.DataError(f'{path}: expected a mean image, {" or ".join(_READERS)}.')
    try:
        image = _READERS[path.suffix](path)
    except errors.DataError as error:
        raise errors.DataError(f'{path}: {error}') from error
    except Exception as error:  # a broken file fails in any way
        raise errors.DataError(f'{path}: not readable as a mean image ({error}).') from error
    while image.ndim > 3 and len(image) == 1:
        image = image[0]
    if image.ndim == 3 and image.shape[0] == CHANNELS != image.shape[-1]:
        image = image.transpose(1, 2, 0)[..., ::-1]
    return check(image, str(path))


def check(image: np.ndarray, name: str) -> np.ndarray:
    """Checks that an array is a mean image, (rows, columns, 3) or (3,), and makes it float32.

    Raises:
        DataError: It has another shape or dtype, or values outside [0, 255]; `name` identifies it.
    """
    image = np.squeeze(image)
    if image.ndim not in (1, 3) or image.shape[-1] != CHANNELS or not image.size:
        raise errors.DataError(
            f'{name}: a mean image of shape {image.shape}; expected (rows, columns, 3), RGB, or '
            'one colour.'
        )
    if not weight_file.is_numeric(image.dtype):
        raise errors.DataError(f'{name}: a mean image of {image.dtype}; expected numbers.')
    image = image.astype(np.float32)
    if not (image.min() >= 0 and image.max() <= 255):  # NaN, too
        raise errors.DataError(f'{name}: a mean image has values outside 0 to 255.')
    return image


def to_square(image: np.ndarray, size: int, crop_size: int) -> np.ndarray:
    """Makes a mean image as large as the squares that networks' inputs are cropped from.

    Args:
        image: (size, size, 3); (crop_size, crop_size, 3), whose border becomes its mean colour,
            since only the centre is ever used; or (3,).
        size: Side of the squares.
        crop_size: Side of the crops.

    Returns:
        (size, size, 3) float32.

    Raises:
        DataError: It has another size.

    Example:
    >>> to_square(np.ones(3, np.float32), 2, 1).shape
    (2, 2, 3)
    """
    square = np.empty((size, size, CHANNELS), np.float32)
    if image.shape in (square.shape, (CHANNELS,)):
        square[:] = image
        return square
    if image.shape != (crop_size, crop_size, CHANNELS):
        rows, columns = image.shape[:2]
        raise errors.DataError(
            f'the mean image has {rows} x {columns} pixels; expected {size} x {size}, or the '
            f'{crop_size} x {crop_size} of the crop.'
        )
    square[:] = image.mean(axis=(0, 1), dtype=np.float64)
    start = (size - crop_size) // 2
    square[start : start + crop_size, start : start + crop_size] = image
    return square


def to_colour(image: np.ndarray) -> Sequence[float] | None:
    """Returns the colour of an image that has only one, else None."""
    return image[0, 0].tolist() if (image == image[0, 0]).all() else None
