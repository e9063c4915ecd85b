"""Reads `.npy` files with a dictionary of layers, and `.npz` archives."""

import io
import pathlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import array_pickle, errors

FORMAT = 'NumPy'
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a `.npy` file: a pickled dictionary from layers to kernel and bias.

    Args:
        path: Its layers are arrays, or lists, tuples or dictionaries of arrays.

    Returns:
        Arrays by their keys or indices, 'conv1/0' or 'conv1/weights'.

    Raises:
        DataError: The file holds anything else.
    """
    file = io.BytesIO(weight_file.read_bytes(path))
    _, _, dtype = _read_header(file)
    if not dtype.hasobject:
        raise errors.DataError('it holds one array, expected a dictionary of layers.')
    try:
        layers = array_pickle.load(file)
    except array_pickle.Refused as error:
        raise errors.DataError(
            f'its pickle asks for {error}, but only arrays of numbers are admitted.'
        ) from error
    if not isinstance(layers, dict):
        kind = type(layers).__name__
        raise errors.DataError(f'it holds a {kind}, expected a dictionary of layers.')
    pairs = [pair for key, value in layers.items() for pair in _flatten(str(key), value)]
    return weight_file.WeightFile(path, FORMAT, weight_file.collect(pairs))


def read_array(path: pathlib.Path) -> np.ndarray:
    """Reads a `.npy` file with one array of numbers.

    Raises:
        DataError: The file holds anything else.
    """
    return _parse_array('the array', weight_file.read_bytes(path))


def _flatten(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, np.ndarray):
        yield name, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, array in items:
        if not isinstance(array, np.ndarray):
            raise errors.DataError(f'{name}/{key} is no array.')
        yield f'{name}/{key}', array


def read_npz(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a `.npz` archive.

    Returns:
        Arrays by their names in the archive, such as 'conv1/kernel'.

    Raises:
        DataError: A member is no array of numbers.
    """
    with weight_file.open_archive(path) as (archive, names):
        pairs = [
            (name.removesuffix('.npy'), _parse_array(name, weight_file.read_member(archive, name)))
            for name in names
        ]
    return weight_file.WeightFile(path, FORMAT, weight_file.collect(pairs))


def _parse_array(name: str, content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    shape, is_fortran_order, dtype = _read_header(file)
    if dtype.hasobject:
        raise errors.DataError(f'{name} holds objects, expected numbers.')
    order = 'F' if is_fortran_order else 'C'
    return weight_file.from_bytes(name, file.read(), dtype, shape, order)


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in _READ_HEADER:
        raise errors.DataError(f'version {version} of the format is not supported.')
    return _READ_HEADER[version](file)
