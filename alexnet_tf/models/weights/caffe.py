"""Assigns weights in the layout of Caffe's AlexNet to the layers of the two columns.

Caffe has (out, in, rows, columns) kernels over BGR images, both groups in one kernel, and flattens
pool5 map by map. Its converters write (rows, columns, in, out) kernels and flatten pool5 position
by position. The shapes of the convolutions show which of the two a file is.
"""

from collections.abc import Collection

import keras
import numpy as np

from alexnet_tf.models import columns as columns_lib
from alexnet_tf.models import topology
from alexnet_tf.models.weights import readers
from input_pipeline import errors


def assign(
    model: keras.Model,
    weights: readers.Weights,
    *,
    file: object,
    layers: Collection[str] = (),
    allow_missing: bool = False,
    advice: str = '',
) -> tuple[list[str], list[str]]:
    """Assigns the weights of a file to a model.

    Args:
        model: From `alexnet.build` or `cifar.build`.
        weights: (kernel, bias) by layer: 'conv1' for both columns, as Caffe has it, or 'conv1_a' in
            this package's layout, as a checkpoint has it.
        file: The file's name, for messages.
        layers: The paper's names of the layers to assign; none for all.
        allow_missing: Leave layers that the file lacks as they are. A last layer for another number
            of classes counts as missing.
        advice: What to do about missing layers, for the message that refuses them.

    Returns:
        The names of the layers that were assigned, and of those that were not.

    Raises:
        DataError: Layers are missing, have other shapes, or hold NaN or inf. The model is as it
            was.
    """
    converter = _Converter(model, weights, file)
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
        raise errors.DataError(f'{file}: it has no weights of the layers {names}.')
    if missing and not allow_missing:
        names = ', '.join(missing)
        raise errors.DataError(f'{file}: it has no fitting weights of {names}. {advice}'.rstrip())
    for name in assigned:
        model.get_layer(name).set_weights(values[name])
    return assigned, missing + [layer.name for layer in weighted if layer.name not in values]


class _Converter:
    """Converts a file's weights to the layers of a model."""

    def __init__(self, model: keras.Model, weights: readers.Weights, file: object):
        self._layers = {layer.name: layer for layer in model.layers}
        self._last = topology.list_layer_names(model)[-1]
        self._weights, self._file = weights, file
        self._channels_last = _is_channels_last(weights, file)

    def convert(self, layer: keras.Layer) -> list[np.ndarray] | None:
        """Returns the layer's kernel and bias, or None where the file lacks them."""
        has_classes = layer.name == self._last
        if layer.name in self._weights and not has_classes:
            return self._check(layer, *self._weights[layer.name])
        name, _, column = layer.name.partition('_')
        if name not in self._weights:
            return None
        kernel, bias = (np.asarray(array, np.float32) for array in self._weights[name])
        kernel, bias = self._to_channels_last(name, kernel), bias.reshape(-1)
        if has_classes and bias.shape != tuple(layer.bias.shape):
            return None
        if name == 'conv1' and kernel.shape[-2:-1] == (columns_lib.CHANNELS,):
            kernel = kernel[:, :, ::-1]  # BGR to RGB
        if name == 'fc6':
            kernel = self._reorder_pool5(kernel)
        return self._check(layer, *self._take_column(name, column, kernel, bias))

    def _to_channels_last(self, name: str, kernel: np.ndarray) -> np.ndarray:
        if name.startswith('fc'):
            kernel = kernel.reshape(kernel.shape[-2:])  # older Caffe: (1, 1, out, in)
            return kernel if self._channels_last else kernel.T
        if self._channels_last or kernel.ndim != 4:
            return kernel
        return kernel.transpose(2, 3, 1, 0)

    def _reorder_pool5(self, kernel: np.ndarray) -> np.ndarray:
        """Orders fc6's inputs as the model does: by column, position and map."""
        columns = self._count_columns('fc6')
        rows, across, maps = self._layers['pool5_flat_a'].input.shape[1:]
        size = rows * across * maps * columns
        if kernel.shape[0] != size:
            return kernel  # its shape is refused later
        if self._channels_last:
            split = kernel.reshape(rows, across, columns, maps, -1).transpose(2, 0, 1, 3, 4)
        else:
            split = kernel.reshape(columns, maps, rows, across, -1).transpose(0, 2, 3, 1, 4)
        return split.reshape(size, -1)

    def _take_column(self, name: str, column: str, kernel: np.ndarray, bias: np.ndarray):
        if self._count_columns(name) < 2:
            return kernel, bias
        if kernel.shape[-1] % 2 or len(bias) % 2:
            raise errors.DataError(
                f'{self._file}: {name} has {len(bias)} outputs, which do not divide into two '
                'columns.'
            )
        index = columns_lib.COLUMNS.index(column)
        return [np.split(array, 2, axis=-1)[index] for array in (kernel, bias)]

    def _count_columns(self, name: str) -> int:
        return sum(f'{name}_{column}' in self._layers for column in columns_lib.COLUMNS)

    def _check(self, layer: keras.Layer, kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        for variable, value in ((layer.kernel, kernel), (layer.bias, bias)):
            if value.shape != tuple(variable.shape):
                raise errors.DataError(
                    f'{self._file}: {variable.path} would have the shape {value.shape}, but this '
                    f'network has {tuple(variable.shape)}. Give the width, columns, conv6 and '
                    'recipe that the weights were trained with (recipe caffe for those of Caffe).'
                )
            if not np.isfinite(value).all():
                raise errors.DataError(f'{self._file}: {variable.path} has NaN or inf values.')
        return [kernel, bias]


def _is_channels_last(weights: readers.Weights, file: object) -> bool:
    """Whether kernels are (rows, columns, in, out) and (in, out), not (out, in, ...)."""
    for name in sorted(weights):
        kernel, bias = weights[name]
        if kernel.ndim == 4 and name.startswith('conv'):
            first, second, third, fourth = kernel.shape
            if (first == second) != (third == fourth):
                return first == second  # rows and columns are equal and adjacent
        elif kernel.shape[-1] != kernel.shape[-2]:
            return bool(kernel.shape[-1] == bias.size)
    raise errors.DataError(
        f'{file}: square kernels alone do not show whether they are (in, out) or (out, in). Give a '
        'file with more layers.'
    )
