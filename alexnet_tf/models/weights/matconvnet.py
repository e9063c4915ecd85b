"""Reads MatConvNet's networks from `.mat` files."""

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from alexnet_tf.models.weights import matlab, weight_file
from input_pipeline import errors

FORMAT = 'MatConvNet'
_KINDS = {'conv': 'convolution', 'normalize': 'normalization', 'lrn': 'normalization'}
_KINDS |= {'pool': 'max_pool', 'pooling': 'max_pool'}
_DAG = 'dagnn.'  # before the types of DagNN


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a network that MatConvNet saved, alone or as the variable 'net'.

    Returns:
        Arrays by layer and index, 'conv1/0' the filters and 'conv1/1' the biases, and the mean
        image as 'averageImage'; all layers; the classes, with their descriptions.

    Raises:
        DataError: The file is broken or of another version, or holds no layers.
    """
    variables = matlab.parse(weight_file.read_bytes(path))
    net = variables.get('net', variables)
    layers = _get(net, 'layers')
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise errors.DataError('it holds no layers of MatConvNet.')
    parameters = _map_parameters(net)
    pairs = [pair for layer in layers for pair in _list_weights(layer, parameters)]
    meta = _get(net, 'meta') or net
    mean = _get(_get(meta, 'normalization'), 'averageImage')
    if isinstance(mean, np.ndarray) and mean.size:
        pairs.append((weight_file.MEAN_IMAGE, mean))
    kinds = [(str(layer.get('name')), str(layer.get('type'))) for layer in layers]
    kinds = [(name, kind.removeprefix(_DAG).lower()) for name, kind in kinds]
    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect(pairs),
        [weight_file.Layer(name, _KINDS.get(kind, kind)) for name, kind in kinds],
        _list_classes(_get(meta, 'classes')),
    )


def _map_parameters(net: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of a DagNN's parameters by name; {} for a SimpleNN."""
    parameters = net.get('params')
    listed = parameters if isinstance(parameters, list) else [parameters]
    return {str(_get(entry, 'name')): _get(entry, 'value') for entry in listed}


def _list_weights(
    layer: dict[str, Any], parameters: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    # Before version 1.0-beta9 there were two fields instead of the cell.
    weights = layer.get('weights') or [layer.get('filters'), layer.get('biases')]
    if isinstance(names := layer.get('params'), list):
        weights = [parameters.get(str(name)) for name in names]
    for index, array in enumerate(weights):
        if isinstance(array, np.ndarray) and array.size:
            yield f'{layer.get("name")}/{index}', array


def _list_classes(classes: Any) -> list[str]:
    """Lists the classes, as lines of a name (often a WordNet id) and its description."""
    names, descriptions = _get(classes, 'name'), _get(classes, 'description')
    if not isinstance(names, list):
        return []
    if not isinstance(descriptions, list) or len(descriptions) != len(names):
        descriptions = [''] * len(names)
    return [f'{name} {text}'.rstrip() for name, text in zip(names, descriptions, strict=True)]


def _get(struct: Any, field: str) -> Any:
    return struct.get(field) if isinstance(struct, dict) else None
