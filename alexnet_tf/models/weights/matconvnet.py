"""Reads MatConvNet's networks from `.mat` files."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexnet_tf.models.weights import matlab, weight_file
from input_pipeline import errors

FORMAT = 'MatConvNet'
_KINDS = {'conv': 'convolution', 'normalize': 'normalization', 'lrn': 'normalization'}
_KINDS |= {'pool': 'max_pool'}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a network that MatConvNet saved, alone or as the variable 'net'.

    Returns:
        Arrays by layer and index, 'conv1/0' the filters and 'conv1/1' the biases, and the mean
        image as 'averageImage'; all layers.

    Raises:
        DataError: The file is broken or of another version, or holds no layers.
    """
    variables = matlab.parse(weight_file.read_bytes(path))
    net = variables.get('net', variables)
    layers = _get(net, 'layers')
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise errors.DataError('it holds no layers of MatConvNet.')
    pairs = [pair for layer in layers for pair in _list_weights(layer)]
    mean = _get(_get(_get(net, 'meta') or net, 'normalization'), 'averageImage')
    if isinstance(mean, np.ndarray):
        pairs.append(('averageImage', mean))
    kinds = [(str(layer.get('name')), str(layer.get('type'))) for layer in layers]
    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect(pairs),
        [weight_file.Layer(name, _KINDS.get(kind, kind)) for name, kind in kinds],
    )


def _list_weights(layer: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    # Before version 1.0-beta9 there were two fields instead of the cell.
    weights = layer.get('weights') or [layer.get('filters'), layer.get('biases')]
    for index, array in enumerate(weights):
        if isinstance(array, np.ndarray) and array.size:
            yield f'{layer.get("name")}/{index}', array


def _get(struct: Any, field: str) -> Any:
    return struct.get(field) if isinstance(struct, dict) else None
