"""Reads the weights of Keras' files (`.h5`, `.weights.h5`, `.keras`) without building a model."""

import contextlib
import io
import itertools
import json
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import errors

FORMAT = 'Keras'
_WEIGHTS, _CONFIG = 'model.weights.h5', 'config.json'
_VARIABLES, _NAME = 'vars', 'name'  # in a `.weights.h5`: a layer's group, and its name there
_MODEL = 'model_weights'  # in an `.h5` of a whole model, beside the optimizer's
_MODEL_CONFIG = 'model_config'  # there, an attribute
_MAX_ITEMS = 10_000
_MAX_JSON_BYTES = 8 << 20  # a description has a mean image of a megabyte
# What `export` of this package adds to a `.keras`: strings by key, see `runs.description`.
DESCRIPTION = 'alexnet_tf.json'
_KINDS = {
    'Conv2D': 'convolution',
    'LocalResponseNormalization': 'normalization',
    'MaxPooling2D': 'max_pool',
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a file of `save_weights` or of `model.save`.

    Returns:
        Arrays by their paths, 'conv1/conv1/kernel'; in files of Keras 3 by layer and index,
        'conv1/0'. For a whole model also its layers in order, and its mean colour if it has one.

    Raises:
        DataError: The file refers to other files.
    """
    if not zipfile.is_zipfile(path):
        weight_file.check_size(path.stat().st_size, 'the file')
        with path.open('rb') as file, h5py.File(file, 'r') as content:
            return _combine(path, _read_arrays(content), _read_config(content))
    with weight_file.open_archive(path) as (archive, names):
        if _WEIGHTS not in names:
            raise errors.DataError(f'it lacks {_WEIGHTS}.')
        config, description = (
            _read_json(archive, name) if name in names else {} for name in (_CONFIG, DESCRIPTION)
        )
        weights = io.BytesIO(weight_file.read_member(archive, _WEIGHTS))
    with h5py.File(weights, 'r') as content:
        arrays = _read_arrays(content)
    return _combine(path, arrays, config, {str(k): str(v) for k, v in description.items()})


def _combine(path, arrays, config, metadata=None) -> weight_file.WeightFile:
    """Combines arrays with the layers and the mean colour of a model's configuration."""
    if mean := _find_mean(config):
        arrays[weight_file.MEAN_IMAGE] = np.array(mean, np.float32)
    layers = _list_layers(config)
    return weight_file.WeightFile(path, FORMAT, arrays, layers, metadata=metadata or {})


def _read_config(content: h5py.File) -> Any:
    """Reads the configuration in an `.h5` of a whole model; {} if there is none."""
    if _MODEL_CONFIG not in content.attrs:
        return {}
    attribute = content.attrs.get_id(_MODEL_CONFIG)
    if attribute.shape or attribute.get_storage_size() > _MAX_JSON_BYTES:
        raise errors.DataError(f'its {_MODEL_CONFIG} is no text of a model.')
    text = content.attrs[_MODEL_CONFIG]
    if len(text) > _MAX_JSON_BYTES:
        raise errors.DataError(f'its {_MODEL_CONFIG} has more than {_MAX_JSON_BYTES:,} bytes.')
    return json.loads(text)


def _find_mean(config: dict) -> list[float] | None:
    """Finds the mean colour that a model of this package subtracts, RGB."""
    with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
        for layer in config['config']['layers']:
            if layer['class_name'].rpartition('>')[2] == 'MeanSubtraction':
                return [float(value) for value in layer['config']['mean']]
    return None


def _read_json(archive: zipfile.ZipFile, name: str) -> Any:
    if (size := archive.getinfo(name).file_size) > _MAX_JSON_BYTES:
        raise errors.DataError(f'{name} has {size:,} bytes, more than {_MAX_JSON_BYTES:,}.')
    return json.loads(weight_file.read_member(archive, name))


def _read_arrays(content: h5py.File) -> dict[str, np.ndarray]:
    root = content.get(_MODEL, content)
    datasets = list(_list_datasets(root))
    size = sum(
        weight_file.count_bytes(name, dataset.shape, dataset.dtype.itemsize)
        for name, dataset in datasets
    )
    weight_file.check_size(size, 'its content')
    for name, dataset in datasets:  # a chunk is decompressed whole, whatever the shape
        weight_file.count_bytes(name, dataset.chunks or (), dataset.dtype.itemsize)
    return weight_file.collect((name, _read(dataset)) for name, dataset in datasets)


def _list_datasets(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    datasets: list[h5py.Dataset] = []
    count = itertools.count(1)

    def visit(_, item):
        if isinstance(item, h5py.Dataset):
            datasets.append(item)
        return next(count) > _MAX_ITEMS or None  # anything but None ends it

    if root.visititems(visit):  # it does not follow links to other files
        raise errors.DataError(f'it has more than {_MAX_ITEMS:,} groups and data sets.')
    for dataset in datasets:
        if dataset.external or dataset.is_virtual:
            raise errors.DataError(f'{dataset.name} lies in another file.')
        if dataset.shape is not None and (
            weight_file.is_numeric(dataset.dtype) or _is_bfloat16(dataset)
        ):
            yield _get_name(dataset, root), dataset


def _get_name(dataset: h5py.Dataset, root: h5py.Group) -> str:
    """Returns a variable's name: 'conv1/0' if its group has the layer's name, else its path."""
    parent, _, key = dataset.name.rpartition('/')
    layer = dataset.parent.attrs.get(_NAME)
    if parent.endswith(f'/{_VARIABLES}') and isinstance(layer, str):
        return f'{layer}/{key}'
    return dataset.name.removeprefix(root.name).lstrip('/')


def _read(dataset: h5py.Dataset) -> np.ndarray:
    array = np.asarray(dataset[()])
    return array.view(ml_dtypes.bfloat16) if _is_bfloat16(dataset) else array


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    """Returns whether a data set is Keras' bfloat16: two opaque bytes, as HDF5 has no such type."""
    return dataset.dtype.itemsize == 2 and dataset.attrs.get('dtype') == 'bfloat16'


def _list_layers(config: dict) -> list[weight_file.Layer]:
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        return [
            weight_file.Layer(str(layer['name']), _KINDS.get(kind, str(kind)))
            for layer in config['config']['layers']
            for kind in [layer['class_name'].rpartition('>')[2]]
        ]
    return []
