"""Writes the weights of a network for other programs."""

import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from alexnet_tf.models import recipes
from alexnet_tf.models.layers import dropout
from alexnet_tf.models.weights import assignment, layouts, mapping, recognition, safetensors_files


def write_safetensors(
    path: pathlib.Path, model: keras.Model, metadata: Mapping[str, str] | None = None
) -> bool:
    """Writes a `.safetensors` file.

    The keys and axes are torchvision's if the network computes what torchvision's does, at any
    width. Otherwise they are this package's: 'conv1_a/kernel' and so on. `readers.read` reads
    either to the bit.

    Args:
        path: File to write.
        model: From `alexnet.build`.
        metadata: Strings by key, for the file's header.

    Returns:
        Whether the keys are torchvision's.

    Raises:
        PackageMissing: The `safetensors` package is not installed.
        OSError: The file cannot be written.
    """
    weights = assignment.collect(model)
    converted = None
    is_scaled = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
    if is_scaled and all(map(_is_torchvisions, model.layers)):
        converted = _to_torchvision(weights, assignment.get_last_maps(model))
    safetensors_files.write(path, converted or weights, metadata or {})
    return bool(converted)


def _is_torchvisions(layer: keras.Layer) -> bool:
    """Returns whether a layer computes what torchvision's layer of its kind does, if any."""
    if isinstance(layer, keras.layers.ZeroPadding2D):  # conv1's; in tf2cv's network also pool1's
        return layer.padding == ((2, 2), (2, 2))
    if isinstance(layer, dropout.Dropout):
        return layer.inverted
    if isinstance(layer, keras.layers.MaxPooling2D):
        return layer.pool_size == (3, 3)
    if isinstance(layer, keras.layers.Rescaling):  # of pixels up to 255, after their mean
        return np.allclose(layer.scale, 1 / np.asarray(recipes.TORCHVISION.input_sd))
    if isinstance(layer, keras.layers.GlobalAveragePooling2D):
        return False
    return not layer.name.startswith(('norm', 'tanh'))


def _to_torchvision(
    weights: Mapping[str, np.ndarray], maps: tuple[int, int, int]
) -> dict[str, np.ndarray] | None:
    """Converts to torchvision's keys and axes; None for other layers than torchvision's."""
    keys = layouts.TORCHVISION_KEYS
    names = {layer: layer if layer == 'fc8' else f'{layer}_a' for layer in keys}
    if {f'{name}/{kind}' for name in names.values() for kind in ('kernel', 'bias')} != set(weights):
        return None
    filters = [len(weights[f'{names[layer]}/bias']) for layer in keys if layer.startswith('conv')]
    if not recognition.is_multiple(filters, recipes.TORCHVISION.filters):
        return None
    converted = {}
    for layer, key in keys.items():
        kernel, bias = (weights[f'{names[layer]}/{kind}'] for kind in ('kernel', 'bias'))
        converted[f'{key}.weight'] = mapping.to_layout(layouts.TORCHVISION, layer, kernel, maps)
        converted[f'{key}.bias'] = bias
    return converted
