"""Weights in the layout of Caffe's AlexNet -> the layers of the two columns.

Caffe has (out, in, rows, columns) kernels of BGR pictures, both groups in one kernel, and reads
pool5 map by map. Its converters' dictionaries have (rows, columns, in, out) and read pool5 place
by place. Which of the two a file is shows in its convolutions.
"""

from collections.abc import Collection, Mapping

import keras
import numpy as np

from alexnet_tf.models import topology
from alexnet_tf.models.weights import readers
from input_pipeline import errors


def assign(
    model: keras.Model,
    weights: readers.Weights,
    *,
    missing_fresh: bool,
    file: object,
    wanted: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """Sets the model's weights to those of a file.

    Args:
        model: From `alexnet.build`.
        weights: By layer: 'conv1' of both columns, as Caffe has it; or 'conv1_a', in our own
            layout, as a checkpoint has it.
        missing_fresh: Leave layers as they are that the file lacks. A last layer for another number
            of classes counts as lacking.
        file: Its name, for messages.
        wanted: The paper's names of the layers to set, no others; none: all.

    Returns:
        Names of the layers that were set, and of those left as they were.

    Raises:
        DataError: Layers are missing or have other shapes, or there are values that are no
            numbers. The model is as it was.
    """
    found, missing = {}, []
    every = [each for each in model.layers if each.trainable_variables]
    layers = [each for each in every if not wanted or each.name.split('_')[0] in wanted]
    channels_last = _channels_last(weights, file)
    for layer in layers:
        values = _values_of(model, layer, weights, channels_last, file)
        if values is None:
            missing.append(layer.name)
        else:
            found[layer.name] = values
    if not found:
        raise errors.DataError(
            f'{file}: none of its layers is one of {", ".join(layer_names(model))}.'
        )
    if missing and not missing_fresh:
        raise errors.DataError(
            f'{file} has no fitting {", ".join(missing)}. --init_missing=fresh begins '
            'these layers afresh.'
        )
    for name, values in found.items():
        model.get_layer(name).set_weights(values)
    return list(found), missing + [each.name for each in every if each not in layers]


def layer_names(model: keras.Model) -> list[str]:
    """The layers by the paper's names, once for both columns."""
    names = [topology.get_layer_name(each) for each in model.trainable_variables]
    return list(dict.fromkeys(names))


def _values_of(model, layer, weights, channels_last, file) -> list[np.ndarray] | None:
    of_classes = layer.name == layer_names(model)[-1]
    if layer.name in weights and not of_classes:
        return _checked(layer, *weights[layer.name], file)
    name, _, at = layer.name.partition('_')
    if name not in weights:
        return None
    kernel, bias = (np.asarray(each, np.float32) for each in weights[name])
    kernel = _channels_last_kernel(name, kernel, channels_last)
    bias = bias.reshape(-1)
    if of_classes and bias.shape != tuple(layer.bias.shape):
        return None
    if name == 'conv1' and kernel.shape[-2:-1] == (3,):
        kernel = kernel[:, :, ::-1]
    if name == 'fc6':
        kernel = _pool5_order(model, kernel, channels_last)
    columns = [each for each in 'ab' if _has(model, f'{name}_{each}')]
    if len(columns) == 2:
        if kernel.shape[-1] % 2 or len(bias) % 2:
            raise errors.DataError(f'{file}: {name} has {len(bias)} outputs, no two columns.')
        which = columns.index(at)
        kernel, bias = (np.split(each, 2, axis=-1)[which] for each in (kernel, bias))
    return _checked(layer, kernel, bias, file)


def _channels_last(weights: Mapping, file: object) -> bool:
    """Whether kernels are (rows, columns, in, out) and (in, out), not (out, in, ...)."""
    for name in sorted(weights):
        kernel, bias = weights[name]
        if kernel.ndim == 4 and name.startswith('conv'):
            first, second, third, fourth = kernel.shape
            if (first == second) != (third == fourth):
                return first == second  # rows equal columns, and stand together
        elif kernel.shape[-1] != kernel.shape[-2]:
            return bool(kernel.shape[-1] == bias.size)
    raise errors.DataError(
        f'{file}: of square kernels alone it cannot be told whether they are (in, out) or '
        '(out, in). Give a file with more layers.'
    )


def _channels_last_kernel(name: str, kernel: np.ndarray, channels_last: bool) -> np.ndarray:
    if name.startswith('fc'):
        kernel = kernel.reshape(kernel.shape[-2:])  # older Caffe: (1, 1, out, in)
        return kernel if channels_last else kernel.T
    return kernel if channels_last or kernel.ndim != 4 else kernel.transpose(2, 3, 1, 0)


def _pool5_order(model, kernel: np.ndarray, channels_last: bool) -> np.ndarray:
    """fc6's inputs as ours: column a's places, each with its maps, then column b's."""
    columns = [each for each in 'ab' if _has(model, f'fc6_{each}')]
    last = model.get_layer('pool5_flat_a').input.shape
    rows, across, maps = last[1:]
    size = rows * across * maps * len(columns)
    if kernel.shape[0] != size:
        return kernel  # its shape is refused later
    if channels_last:
        split = kernel.reshape(rows, across, len(columns), maps, -1).transpose(2, 0, 1, 3, 4)
    else:
        split = kernel.reshape(len(columns), maps, rows, across, -1).transpose(0, 2, 3, 1, 4)
    return split.reshape(size, -1)


def _checked(layer, kernel, bias, file) -> list[np.ndarray]:
    for variable, value in ((layer.kernel, kernel), (layer.bias, bias)):
        if value.shape != tuple(variable.shape):
            raise errors.DataError(
                f'{file}: {variable.path} would have shape {value.shape}, this network wants '
                f'{tuple(variable.shape)}. Give the --width, --columns, --conv6 and --recipe that '
                'the weights were trained with (--recipe=caffe for those of Caffe).'
            )
        if not np.isfinite(value).all():
            raise errors.DataError(f'{file}: {variable.path} has values that are no numbers.')
    return [kernel, bias]


def _has(model, name: str) -> bool:
    return any(each.name == name for each in model.layers)
