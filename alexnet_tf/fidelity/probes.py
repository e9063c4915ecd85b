"""Measures what a built network does by running it, not by reading its settings."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.fidelity import reference

_SPAN = 15  # pixels of the strip that pooling is tried on
# By layer, the layer before it, whose column b is changed to see if column a reads it.
_BEFORE = {
    'conv2': 'pool1',
    'conv3': 'pool2',
    'conv4': 'conv3',
    'conv5': 'conv4',
    'fc6': 'pool5',
    'fc7': 'drop6',
    'fc8': 'drop7',
}

_POOLS = ('pool1', 'pool2', 'pool5')


def probe_network(model: keras.Model) -> dict[str, Any]:
    """Measures a network; the keys are the names of the reference values.

    Args:
        model: From `alexnet.build`, with two columns.
    """
    return {
        **_probe_connectivity(model),
        **_probe_conv1_windows(model),
        **_probe_pooling_windows(model),
        **_count_parameters(model),
        **_count_neurons(model),
        **_probe_initial_values(model),
        **_probe_normalisation(model),
        **_probe_dropout(model),
    }


def probe_published(model: keras.Model, input_mean: Sequence[float]) -> dict[str, Any]:
    """Measures the values that `published` lists; the keys are their names.

    Args:
        model: From `alexnet.build`, with one column or two.
        input_mean: Colour that is subtracted from images; () for the mean image.
    """
    names = [layer.name for layer in model.layers]
    sides = [model.get_layer(f'{at}_a').output.shape[1] for at in ('conv1', *_POOLS)]
    initial = _probe_initial_values(model)
    sds, biases = (
        [initial[f'{name} initial {kind}'] for name in reference.LAYERS] for kind in ('sd', 'bias')
    )
    values = {
        'sides of conv1, pool1, pool2, pool5': ', '.join(map(str, sides)),
        'after conv2': _find_order(model, 2),
        **_probe_dropout(model),
        'dropped in training': _find_dropped(names),
        'initial sds': ', '.join(f'{sd:.3f}' for sd in sds),
        'initial biases': ', '.join(f'{bias:g}' for bias in biases),
    }
    if input_mean and 'input_scale' in names:
        values['a white pixel'] = _probe_white(model, input_mean)
    values |= _measure_norms(model)
    return {**_probe_normalisation(model), **_count_parameters(model), **values}


def _find_dropped(names: Sequence[str]) -> str:
    """Returns what dropout applies to, by its place before or after fc6."""
    before = names.index('drop6_a') < names.index('fc6_a')
    return f'{"inputs" if before else "outputs"} of fc6 and fc7'


def _probe_white(model, input_mean: Sequence[float]) -> str:
    pixel = 255 - np.reshape(np.float32(input_mean), (1, 1, 1, 3))
    scaled = np.asarray(model.get_layer('input_scale')(pixel)).ravel()
    return ', '.join(f'{value:.3f}' for value in scaled)


def _find_order(model, number: int) -> str:
    after = [f'{kind}{number}_a' for kind in ('relu', 'norm', 'pool')]
    return ', '.join(layer.name[:-2] for layer in model.layers if layer.name in after)


def _get_columns(model, name: str) -> list[keras.Layer]:
    names = {layer.name for layer in model.layers}
    return [model.get_layer(x) for x in (name, f'{name}_a', f'{name}_b') if x in names]


def _probe_connectivity(model) -> dict[str, str]:
    reads_image = 'the image' if _is_image_read(model) else 'something else'
    reads = {layer: _probe_reads(model, before, layer) for layer, before in _BEFORE.items()}
    return {f'{layer} reads': text for layer, text in ({'conv1': reads_image} | reads).items()}


def _is_image_read(model) -> bool:
    """Whether both columns' conv1 respond to a change of each channel of the image."""
    conv1 = keras.Model(model.input, [layer.output for layer in _get_columns(model, 'conv1')])
    images = _sample_normal(np.random.default_rng(0), model.input.shape)
    before = conv1(images)
    for channel in range(images.shape[-1]):
        changed = images.copy()
        changed[..., channel] += 1
        if any(np.array_equal(*outputs) for outputs in zip(conv1(changed), before, strict=True)):
            return False
    return True


def _probe_reads(model, before: str, layer: str) -> str:
    """Finds out whether a layer of column a reads the layer before it in both columns."""
    sources = [source.output for source in _get_columns(model, before)]
    target = keras.Model(sources, _get_columns(model, layer)[0].output)
    random = np.random.default_rng(0)
    a, b = (_sample_normal(random, source.shape) for source in sources)
    change = float(np.abs(target([a, b]) - target([a, b + 1])).max())
    return 'both columns' if change > 0 else 'own column'


def _sample_normal(random: np.random.Generator, shape) -> np.ndarray:
    return random.normal(size=(1, *shape[1:])).astype(np.float32)


def _probe_conv1_windows(model) -> dict[str, Any]:
    """Finds conv1's windows from the gradients of its outputs."""
    conv1 = keras.Model(model.input, _get_columns(model, 'conv1')[0].output)
    images = tf.ones((1, *model.input.shape[1:]))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        outputs = conv1(images)
        sums = [tf.reduce_sum(outputs[0, 0, column]) for column in (1, 2, -1)]
    second, third, last = (
        np.flatnonzero(np.abs(tape.gradient(total, images)).sum(axis=(0, 1, 3))) for total in sums
    )
    return {
        'conv1 windows': f'{second.size} wide, {third[0] - second[0]} apart',
        "pixels of conv1's last window past the image": second.size - last.size,
    }


def _probe_pooling_windows(model) -> dict[str, str]:
    """Finds pool1's windows from impulses at each position of a strip."""
    pool1 = _get_columns(model, 'pool1')[0]
    impulses = np.zeros((_SPAN, 3, _SPAN, pool1.input.shape[-1]), np.float32)
    impulses[range(_SPAN), :, range(_SPAN)] = 1
    responses = np.asarray(pool1(impulses))[:, 0, :, 0] > 0  # by impulse and output
    first = responses.argmax(axis=0)
    return {'pooling windows': f'{responses[:, 1].sum()} wide, {first[2] - first[1]} apart'}


def _count_parameters(model) -> dict[str, int]:
    counts = {
        f'{name} parameters': sum(
            math.prod(variable.shape)
            for layer in _get_columns(model, name)
            for variable in layer.trainable_variables
        )
        for name in reference.LAYERS
    }
    total = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return counts | {'parameters': total}


def _count_neurons(model) -> dict[str, int]:
    counts = {
        f'{name} neurons': sum(math.prod(x.output.shape[1:]) for x in _get_columns(model, name))
        for name in reference.LAYERS
    }
    image = {'image neurons': math.prod(model.input.shape[1:])}
    return counts | image | {'neurons': sum(counts.values())}


def _probe_initial_values(model) -> dict[str, Any]:
    values = {}
    for name in reference.LAYERS:
        layers = _get_columns(model, name)
        kernels = np.concatenate([layer.kernel.numpy().ravel() for layer in layers])
        biases = np.concatenate([layer.bias.numpy() for layer in layers])
        values[f'{name} initial sd'] = float(kernels.std())
        values[f'{name} initial bias'] = float(biases[0]) if np.ptp(biases) == 0 else 'several'
    return values


def _measure_norms(model) -> dict[str, float]:
    """Measures the norms of weights, both columns together."""
    return {
        f'{name} initial norm': math.hypot(
            *(np.linalg.norm(layer.kernel.numpy()) for layer in _get_columns(model, name))
        )
        for name in reference.LAYERS
    }


def _probe_normalisation(model) -> dict[str, Any]:
    values = {'after conv1': _find_order(model, 1), 'same-map alpha': 0.0}
    if same_map := _get_columns(model, 'norm2_same_map'):
        scale = functools.partial(_measure_scale, same_map[0], shape=(1, 9, 9, 4))
        values['same-map alpha'] = _solve_alpha(scale, k=1.0, beta=0.75)
    if norm1 := _get_columns(model, 'norm1'):
        values |= _solve_constants(norm1[0])
        if len(norm1) > 1:
            values['norm1 sums over'] = _probe_reads(model, 'conv1', 'norm1')
    return values


def _solve_constants(layer) -> dict[str, float]:
    """Solves for k, alpha and beta with one non-zero channel; n is the reach of a change."""
    shape = (1, 1, 1, 16)
    scale = functools.partial(_measure_scale, layer, shape=shape)
    beta = -math.log(scale(1e6) / scale(1e5)) / math.log(1e6**2 / 1e5**2)
    k = scale(1e-3) ** (-1 / beta)
    ones = np.ones(shape, np.float32)
    peak = ones.copy()
    peak[..., 8] = 1e3
    n = int((np.abs(layer(peak) - layer(ones)) > 1e-6).sum())
    return {'k': k, 'n': n, 'alpha': _solve_alpha(scale, k=k, beta=beta), 'beta': beta}


def _solve_alpha(scale: Callable[[float], float], *, k: float, beta: float) -> float:
    size = 300.0
    return (scale(size) ** (-1 / beta) - k) / size**2


def _measure_scale(layer, size: float, *, shape) -> float:
    """Measures the factor by which a layer scales one non-zero value."""
    x = np.zeros(shape, np.float32)
    middle = tuple(length // 2 for length in shape)
    x[middle] = size
    return float(np.asarray(layer(x))[middle]) / size


def _probe_dropout(model) -> dict[str, float]:
    layer = model.get_layer('drop6_a')
    ones = np.ones((16, layer.output.shape[-1]), np.float32)
    trained = np.asarray(layer(ones, training=True))
    return {
        'dropped in training': float((trained == 0).mean()),
        'kept outputs in training, times': float(trained.max()),
        'outputs at test time, times': float(np.asarray(layer(ones, training=False)).mean()),
    }
