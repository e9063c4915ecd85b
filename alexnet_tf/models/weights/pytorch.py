"""Reads PyTorch's files (`.pth`, `.pt`, `.tar`): zip archives, and the format before them."""

import io
import pathlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_tf.models.weights import torch_pickle, weight_file
from input_pipeline import errors

ZIP_FORMAT, LEGACY_FORMAT = 'PyTorch (zip)', 'PyTorch (before 1.6)'
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_PICKLE = 'data.pkl'
_COUNT_BYTES = 8


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads the tensors of a `state_dict` that `torch.save` wrote.

    Returns:
        Arrays by the dictionary's keys; bfloat16 as `ml_dtypes.bfloat16`.

    Raises:
        DataError: The file is of another kind, or its tensors lie outside its storages.
    """
    if zipfile.is_zipfile(path):
        return _read_zip(path)
    return _read_legacy(path)


def _read_zip(path: pathlib.Path) -> weight_file.WeightFile:
    with weight_file.open_archive(path) as (archive, names):
        pickles = [name for name in names if pathlib.PurePosixPath(name).name == _PICKLE]
        if len(pickles) != 1:
            raise errors.DataError(f'it has {len(pickles)} members {_PICKLE}, expected one.')
        folder = pickles[0].removesuffix(_PICKLE)
        is_big_endian = False
        if f'{folder}byteorder' in names:
            is_big_endian = weight_file.read_member(archive, f'{folder}byteorder').strip() == b'big'
        root, _ = torch_pickle.load(io.BytesIO(weight_file.read_member(archive, pickles[0])))

        def read_storage(storage: torch_pickle.Storage) -> np.ndarray:
            member = f'{folder}data/{storage.key}'
            if member not in names:
                raise errors.DataError(f'it lacks {member}, which holds a tensor.')
            return _read_numbers(storage, weight_file.read_member(archive, member), is_big_endian)

        return weight_file.WeightFile(path, ZIP_FORMAT, _build_arrays(root, read_storage))


def _read_legacy(path: pathlib.Path) -> weight_file.WeightFile:
    content = weight_file.read_bytes(path)
    file = io.BytesIO(content)
    if [torch_pickle.load(file)[0], torch_pickle.load(file)[0]] != [_MAGIC, _PROTOCOL]:
        raise errors.DataError('torch.save did not write it.')
    is_big_endian = not torch_pickle.load(file)[0]['little_endian']
    root, storages = torch_pickle.load(file)
    keys, _ = torch_pickle.load(file)
    data = _split_storages(memoryview(content)[file.tell() :], keys, storages)

    def read_storage(storage: torch_pickle.Storage) -> np.ndarray:
        if storage.key not in data:
            raise errors.DataError(f'it lacks storage {storage.key}, which holds a tensor.')
        return _read_numbers(storage, data[storage.key], is_big_endian)

    return weight_file.WeightFile(path, LEGACY_FORMAT, _build_arrays(root, read_storage))


def _split_storages(
    data: memoryview, keys: Sequence[str], storages: Mapping[str, torch_pickle.Storage]
) -> dict[str, memoryview]:
    """Splits the data after the pickles: for each key, a count in 8 bytes and the numbers."""
    parts = {}
    for key in keys:
        if not isinstance(key, str):
            raise errors.DataError('it lists a storage that has no name.')
        if key not in storages or key in parts:
            raise errors.DataError(f'it holds storage {key!s:.20} twice, or for no tensor.')
        size = storages[key].size * storages[key].dtype.itemsize
        parts[key], data = data[_COUNT_BYTES : _COUNT_BYTES + size], data[_COUNT_BYTES + size :]
    return parts


def _build_arrays(
    root: Any, read_storage: Callable[[torch_pickle.Storage], np.ndarray]
) -> dict[str, np.ndarray]:
    storages: dict[str, np.ndarray] = {}
    arrays = {}
    for name, tensor in torch_pickle.find_tensors(root).items():
        key = tensor.storage.key
        if key not in storages:
            storages[key] = read_storage(tensor.storage)
        arrays[name] = tensor.build(name, storages[key])
    return arrays


def _read_numbers(
    storage: torch_pickle.Storage, data: bytes | memoryview, is_big_endian: bool
) -> np.ndarray:
    name, size = f'storage {storage.key}', (storage.size,)
    if not is_big_endian:
        return weight_file.from_bytes(name, data, storage.dtype, size)
    # Swapped as integers, since bfloat16 has no other byte order in NumPy.
    integers = np.dtype(f'>u{storage.dtype.itemsize}')
    swapped = weight_file.from_bytes(name, data, integers, size)
    return swapped.astype(integers.newbyteorder('=')).view(storage.dtype)
