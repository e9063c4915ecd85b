"""Assigns the weights of a file to the layers of a network, and collects a network's for a file."""

from collections.abc import Collection

import keras
import numpy as np

from alexnet_tf.models import columns as columns_lib
from alexnet_tf.models import recipes as recipes_lib
from alexnet_tf.models import topology
from alexnet_tf.models.weights import mapping, recognition, weight_file
from input_pipeline import errors

# Weights of trained networks are far smaller; those read in the wrong byte order are not.
_LARGEST = 1e4


def assign(
    model: keras.Model,
    file: weight_file.WeightFile,
    recognised: recognition.Recognition,
    *,
    layers: Collection[str] = (),
    allow_missing: bool = False,
    advice: str = '',
) -> tuple[list[str], list[str]]:
    """Assigns the weights of a file to a model.

    Args:
        model: From `alexnet.build`.
        file: From `readers.read`.
        recognised: From `recognition.recognize`.
        layers: The paper's names of the layers to assign; none for all.
        allow_missing: Leave layers that the file lacks as they are. A last layer for another number
            of classes counts as missing.
        advice: What to do about missing layers, for the message that refuses them.

    Returns:
        The names of the layers that were assigned, and of those that were not.

    Raises:
        DataError: Layers are missing, have other shapes, or hold NaN, inf or implausibly large
            values. The model is left unchanged.
    """
    converter = _Converter(model, file, recognised)
    weighted = [layer for layer in model.layers if layer.trainable_variables]
    values = {
        layer.name: converter.convert(layer)
        for layer in weighted
        if not layers or layer.name.split('_')[0] in layers
    }
    assigned = [name for name, value in values.items() if value is not None]
    missing = [name for name, value in values.items() if value is None]
    if not assigned:
        names = ', '.join(topology.list_layer_names(model))
        raise errors.DataError(f'{file.path}: it has no weights of the layers {names}.')
    if missing and not allow_missing:
        names = ', '.join(missing)
        message = f'{file.path}: it has no fitting weights of {names}. {advice}'
        raise errors.DataError(message.rstrip())
    for name in assigned:
        model.get_layer(name).set_weights(values[name])
    return assigned, missing + [layer.name for layer in weighted if layer.name not in values]


class _Converter:
    """Converts a file's weights to the layers of a model."""

    def __init__(self, model: keras.Model, file, recognised: recognition.Recognition):
        self._layers = {layer.name: layer for layer in model.layers}
        self._last = topology.list_layer_names(model)[-1]
        self._file, self._recognised = file, recognised
        self._maps = get_last_maps(model)

    def convert(self, layer: keras.Layer) -> list[np.ndarray] | None:
        """Returns the layer's weights, or None where the file lacks them."""
        name, _, column = layer.name.partition('_')
        layout = self._recognised.layout
        names = self._recognised.arrays.get(name if layout else layer.name, {})
        if layout and {variable.name for variable in layer.weights} < set(names):
            raise errors.DataError(
                f'{self._file.path}: {name} has a bias, which this network has not. '
                f'{self._describe_network()}'
            )
        values = {
            variable.name: self._file.arrays[names.get(variable.name, names.get(str(index)))]
            for index, variable in enumerate(layer.weights)
            if names.keys() & {variable.name, str(index)}
        }
        if len(values) < len(layer.weights):
            return None
        values = {key: self._to_floats(layer, value) for key, value in values.items()}
        if layer.name == self._last and values['bias'].size != layer.bias.shape[0]:
            return None
        if layout:
            kernel, bias = values['kernel'], values['bias'].reshape(-1)
            kernel = mapping.from_layout(layout, name, kernel, self._maps)
            values['kernel'], values['bias'] = self._take_column(name, column, kernel, bias)
        return [self._check(variable, values[variable.name]) for variable in layer.weights]

    def _to_floats(self, layer: keras.Layer, value: np.ndarray) -> np.ndarray:
        if not weight_file.is_numeric(value.dtype):
            raise errors.DataError(
                f'{self._file.path}: {layer.name} holds {value.dtype}, expected numbers.'
            )
        return np.asarray(value, np.float32)

    def _take_column(self, name: str, column: str, kernel: np.ndarray, bias: np.ndarray):
        columns = sum(f'{name}_{column}' in self._layers for column in columns_lib.COLUMNS) or 1
        if kernel.shape[-1] % columns or len(bias) % columns:
            raise errors.DataError(
                f'{self._file.path}: {name} has {len(bias)} outputs, which do not divide into two '
                'columns.'
            )
        parts = mapping.split(name, kernel, bias, columns, self._maps)
        return parts[columns_lib.COLUMNS.index(column) if columns > 1 else 0]

    def _check(self, variable: keras.Variable, value: np.ndarray) -> np.ndarray:
        if value.shape != tuple(variable.shape):
            raise errors.DataError(
                f'{self._file.path}: {variable.path} would have the shape {value.shape}, but '
                f'this network has {tuple(variable.shape)}. {self._describe_network()}'
            )
        if not np.isfinite(value).all():
            raise errors.DataError(f'{self._file.path}: {variable.path} has NaN or inf values.')
        largest = max(value.max(), -value.min())
        if largest > _LARGEST and variable.trainable:
            raise errors.DataError(
                f'{self._file.path}: {variable.path} has values up to {largest:.2g}, which trained '
                'weights have not. Their bytes may be in the wrong order.'
            )
        return value

    def _describe_network(self) -> str:
        known = [name for name in self._recognised.recipes if name in recipes_lib.RECIPES]
        fitting = f' ({" or ".join(known)} has such weights)' if known else ''
        return (
            'Give the width, columns, conv6 and recipe that the weights were trained with'
            f'{fitting}.'
        )


def get_last_maps(model: keras.Model) -> tuple[int, int, int]:
    """Returns rows, columns and channels of the feature maps that fc6 reads, of all columns."""
    flattened = [layer for layer in model.layers if layer.name.startswith('pool5_flat_')]
    if not flattened:  # a small network
        return 0, 0, 0
    rows, across, channels = flattened[0].input.shape[1:]
    return rows, across, channels * len(flattened)


def collect(model: keras.Model) -> dict[str, np.ndarray]:
    """Collects the weights of a model by variable: 'conv1_a/kernel', 'conv1_a/bias', ..."""
    return {
        f'{layer.name}/{variable.name}': keras.ops.convert_to_numpy(variable)
        for layer in model.layers
        if layer.trainable_variables
        for variable in layer.weights
    }
