"""What a built network does, found by trying it and not by reading its settings."""

import functools
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

_LAYERS = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8')
_SPAN = 15  # pixels of a strip that pooling is tried on
# From which pair of layers on a change of column b is looked for.
_BEFORE = {
    'conv2': 'pool1',
    'conv3': 'pool2',
    'conv4': 'conv3',
    'conv5': 'conv4',
    'fc6': 'pool5',
    'fc7': 'drop6',
    'fc8': 'drop7',
}


def of_network(model: keras.Model) -> dict[str, Any]:
    """Connectivity, parameters, neurons, initial values and normalisation, by figure's name."""
    return {
        **_connectivity(model),
        **_windows(model),
        **_parameters(model),
        **_neurons(model),
        **_initial_values(model),
        **_normalisation(model),
        **_dropout(model),
    }


def _columns(model, name: str) -> list[keras.Layer]:
    names = {each.name for each in model.layers}
    found = [each for each in (name, f'{name}_a', f'{name}_b') if each in names]
    return [model.get_layer(each) for each in found]


def _connectivity(model) -> dict[str, str]:
    found = {'conv1 reads': 'the image' if _reads_image(model) else 'something else'}
    for layer, before in _BEFORE.items():
        found[f'{layer} reads'] = _reads(model, before, layer)
    return found


def _reads_image(model) -> bool:
    """Whether every column's conv1 sees a change of each of the image's channels."""
    part = keras.Model(model.input, [each.output for each in _columns(model, 'conv1')])
    random = np.random.default_rng(0)
    images = random.normal(size=(1, *model.input.shape[1:])).astype(np.float32)
    before = part(images)
    for channel in range(images.shape[-1]):
        changed = images.copy()
        changed[..., channel] += 1
        moved = [np.abs(x - y).max() > 0 for x, y in zip(part(changed), before, strict=True)]
        if not all(moved):
            return False
    return True


def _reads(model, before: str, layer: str) -> str:
    """Whether column a's layer sees a change in column b's output of the layer before."""
    sources = [each.output for each in _columns(model, before)]
    part = keras.Model(sources, _columns(model, layer)[0].output)
    random = np.random.default_rng(0)
    a, b = (random.normal(size=(1, *each.shape[1:])).astype(np.float32) for each in sources)
    change = float(np.abs(part([a, b]) - part([a, b + 1])).max())
    return 'both columns' if change > 0 else 'own column'


def _windows(model) -> dict[str, Any]:
    """Width and distance of conv1's windows from its gradients, of pooling's from impulses."""
    conv1 = keras.Model(model.input, _columns(model, 'conv1')[0].output)
    images = tf.ones((1, *model.input.shape[1:]))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        outputs = conv1(images)
        rows = [tf.reduce_sum(outputs[0, 0, at]) for at in (1, 2, -1)]
    second, third, last = (
        np.flatnonzero(np.abs(tape.gradient(each, images)).sum(axis=(0, 1, 3))) for each in rows
    )
    past = third.size - last.size
    pooled = _columns(model, 'pool1')[0]
    impulses = np.zeros((_SPAN, 3, _SPAN, pooled.input.shape[-1]), np.float32)
    impulses[range(_SPAN), :, range(_SPAN)] = 1
    felt = np.asarray(pooled(impulses))[:, 0, :, 0] > 0  # by impulse and output
    first = felt.argmax(axis=0)
    return {
        'conv1 windows': f'{second.size} wide, {third[0] - second[0]} apart',
        "conv1's last window ends past the picture by": past,
        'pooling windows': f'{felt[:, 1].sum()} wide, {first[2] - first[1]} apart',
    }


def _parameters(model) -> dict[str, int]:
    found = {
        f'{name} parameters': sum(
            math.prod(each.shape)
            for layer in _columns(model, name)
            for each in layer.trainable_variables
        )
        for name in _LAYERS
    }
    total = sum(math.prod(each.shape) for each in model.trainable_variables)
    return found | {'parameters': total}


def _neurons(model) -> dict[str, int]:
    found = {
        name: sum(math.prod(layer.output.shape[1:]) for layer in _columns(model, name))
        for name in _LAYERS
    }
    total = sum(found.values())
    named = {f'{name} neurons': number for name, number in found.items()}
    return named | {'image neurons': math.prod(model.input.shape[1:]), 'neurons': total}


def _initial_values(model) -> dict[str, float]:
    found = {}
    for name in _LAYERS:
        layers = _columns(model, name)
        kernels = np.concatenate([each.kernel.numpy().ravel() for each in layers])
        biases = np.concatenate([each.bias.numpy() for each in layers])
        found[f'{name} initial sd'] = float(kernels.std())
        found[f'{name} initial bias'] = float(biases[0]) if np.ptp(biases) == 0 else 'several'
    return found


def _normalisation(model) -> dict[str, Any]:
    after_conv1 = ('relu1_a', 'norm1_a', 'pool1_a')
    order = [each.name[:-2] for each in model.layers if each.name in after_conv1]
    found = {'after conv1': ', '.join(order), 'same-map alpha': 0.0}
    same_map, norm1 = (_columns(model, name) for name in ('norm2_same_map', 'norm1'))
    if same_map:
        alone = functools.partial(_alone, same_map[0], shape=(1, 9, 9, 4))
        found['same-map alpha'] = _alpha_of(alone, 1.0, 0.75)
    if norm1:
        found |= _constants(norm1[0])
        found['norm1 sums over'] = _reads(model, 'conv1', 'norm1')
    return found


def _constants(layer) -> dict[str, float]:
    """k, alpha, beta from the response of one map among zeros; n from how far it is felt."""
    shape = (1, 1, 1, 16)

    def response(size):
        return _alone(layer, size, shape=shape)

    beta = -math.log(response(1e6) / response(1e5)) / math.log(1e6**2 / 1e5**2)
    k = response(1e-3) ** (-1 / beta)
    ones = np.ones(shape, np.float32)
    peak = ones.copy()
    peak[..., 8] = 1e3
    felt = int((np.abs(layer(peak) - layer(ones)) > 1e-6).sum())
    return {'k': k, 'n': felt, 'alpha': _alpha_of(response, k, beta), 'beta': beta}


def _alpha_of(response, k: float, beta: float) -> float:
    size = 300.0
    return (response(size) ** (-1 / beta) - k) / size**2


def _alone(layer, size: float, *, shape) -> float:
    """How a value among zeros is scaled."""
    x = np.zeros(shape, np.float32)
    middle = tuple(each // 2 for each in shape)
    x[middle] = size
    return float(np.asarray(layer(x))[middle]) / size


def _dropout(model) -> dict[str, float]:
    layer = model.get_layer('drop6_a')
    ones = np.ones((16, layer.output.shape[-1]), np.float32)
    trained = np.asarray(layer(ones, training=True))
    return {
        'dropped in training': float((trained == 0).mean()),
        'kept outputs in training, times': float(trained.max()),
        'outputs at test, times': float(np.asarray(layer(ones, training=False)).mean()),
    }
