"""Reads `.safetensors` files with the `safetensors` package, and writes them."""

import json
import pathlib
from collections.abc import Mapping
from types import ModuleType

import ml_dtypes
import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import errors, files

FORMAT = 'safetensors'
_DTYPES = {
    'F64': np.dtype('<f8'),
    'F32': np.dtype('<f4'),
    'F16': np.dtype('<f2'),
    'BF16': np.dtype(ml_dtypes.bfloat16),
    'I64': np.dtype('<i8'),
    'I32': np.dtype('<i4'),
    'I16': np.dtype('<i2'),
    'I8': np.dtype('i1'),
    'U8': np.dtype('u1'),
    'BOOL': np.dtype('?'),
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a `.safetensors` file.

    Returns:
        Arrays by their keys, and the file's metadata.

    Raises:
        DataError: The header claims other data than there is, or a dtype is not known.
        PackageMissing: The `safetensors` package is not installed.
    """
    package = _import_package(path)
    content = weight_file.read_bytes(path)
    arrays = {}
    for name, tensor in package.deserialize(content):
        if tensor['dtype'] not in _DTYPES:
            raise errors.DataError(f'{name} has the dtype {tensor["dtype"]}, which is not read.')
        dtype = _DTYPES[tensor['dtype']]
        arrays[name] = weight_file.from_bytes(name, tensor['data'], dtype, tensor['shape'])
    header_size = int.from_bytes(content[:8], 'little')
    metadata = json.loads(content[8 : 8 + header_size]).get('__metadata__') or {}
    return weight_file.WeightFile(path, FORMAT, arrays, metadata=metadata)


def write(
    path: pathlib.Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Writes a `.safetensors` file, whole or not at all.

    Args:
        path: File to write.
        arrays: By key.
        metadata: Strings by key, for the header.

    Raises:
        PackageMissing: The `safetensors` package is not installed.
        OSError: The file cannot be written.
    """
    package = _import_package(path)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    files.write_atomically(path, package.numpy.save(contiguous, dict(metadata)))


def _import_package(path: pathlib.Path) -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise errors.PackageMissing(
            f'{path}: .safetensors files require safetensors: pip install "alexnet_tf[weights]".'
        ) from error
    return safetensors
