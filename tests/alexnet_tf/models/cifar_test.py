"""The small networks against cuda-convnet's published sizes and a NumPy forward pass."""

import dataclasses

import numpy as np
import pytest

from alexnet_tf.models import alexnet, cifar, flops, recipes
from alexnet_tf.models import features as features_lib

RANDOM = np.random.default_rng(0)


def build(name, **overrides):
    recipe = dataclasses.replace(recipes.RECIPES[name], **overrides)
    return alexnet.build(recipe, num_classes=10)


@pytest.mark.parametrize(
    ('name', 'parameters', 'millions'),
    [('cifar13', 1_116_490, 18.5), ('cifar11', 2_112_970, 19.5), ('figure1', 89_578, 12.3)],
)
def test_sizes_are_the_published_ones(name, parameters, millions):
    model = build(name)
    assert model.count_params() == parameters
    assert sum(flops.count_multiply_adds(model).values()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_initial_weights_are_cuda_convnets():
    model = build('cifar11')
    expected = {'conv1': 1e-4, 'conv2': 0.01, 'local3': 0.04, 'local4': 0.04, 'fc5': 0.01}
    for name, sd in expected.items():
        layer = model.get_layer(name if name == 'fc5' else f'{name}_a')
        assert layer.kernel.numpy().std() == pytest.approx(sd, rel=0.05)
        assert not layer.bias.numpy().any()


def pool(x, reduce):
    """Pools 3x3 windows, 2 apart, cut off at the far edge."""
    size = -(-x.shape[0] // 2)
    y = np.empty((size, size, x.shape[-1]))
    for row in range(size):
        for column in range(size):
            window = x[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            y[row, column] = reduce(window, axis=(0, 1))
    return y


def convolve(x, layer):
    kernel, bias = layer.kernel.numpy().astype(float), layer.bias.numpy()
    past = kernel.shape[0] // 2
    padded = np.pad(x, [(past, past), (past, past), (0, 0)])
    y = np.zeros((*x.shape[:2], kernel.shape[-1])) + bias
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            part = padded[row : row + x.shape[0], column : column + x.shape[1]]
            y += part @ kernel[row, column]
    return y


def convolve_unshared(x, layer):
    kernel, size = layer.kernel.numpy().astype(float), x.shape[0]
    padded, y = np.pad(x, [(1, 1), (1, 1), (0, 0)]), np.empty((*x.shape[:2], kernel.shape[-1]))
    for row in range(size):
        for column in range(size):
            patch = padded[row : row + 3, column : column + 3].reshape(-1)
            y[row, column] = patch @ kernel[row, column] + layer.bias.numpy()[row, column]
    return y


def normalize(x):
    """Normalises as cuda-convnet: over 9 adjacent maps, with .001 / 9 and .75."""
    y = np.empty_like(x)
    for i in range(x.shape[-1]):
        near = x[..., max(0, i - 4) : i + 5]
        y[..., i] = x[..., i] * (1 + 0.001 / 9 * (near**2).sum(-1)) ** -0.75
    return y


def relu(x):
    return np.maximum(x, 0)


def compute_eleven(x, layer, norm):
    """Computes logits in the order of layers-conv-local-11pct.cfg."""
    x = norm(pool(relu(convolve(x, layer('conv1'))), np.max))
    x = pool(norm(relu(convolve(x, layer('conv2')))), np.max)
    x = relu(convolve_unshared(x, layer('local3')))
    x = relu(convolve_unshared(x, layer('local4')))
    return x.reshape(-1) @ layer('fc5').kernel.numpy() + layer('fc5').bias.numpy()


def compute_nineteen(x, layer, squash):
    """Computes logits in the order of layers-19pct.cfg."""
    x = pool(squash(convolve(x, layer('conv1'))), np.max)
    x = pool(squash(convolve(x, layer('conv2'))), np.mean)
    x = pool(squash(convolve(x, layer('conv3'))), np.mean)
    return x.reshape(-1) @ layer('fc4').kernel.numpy() + layer('fc4').bias.numpy()


@pytest.mark.parametrize(
    ('name', 'overrides', 'forward', 'function'),
    [
        ('cifar11', {}, compute_eleven, normalize),
        ('cifar11', {'normalization': False}, compute_eleven, lambda x: x),
        ('cifar13', {}, compute_eleven, lambda x: x),
        ('figure1', {}, compute_nineteen, relu),
        ('figure1', {'activation': 'tanh'}, compute_nineteen, np.tanh),
    ],
)
def test_logits_equal_numpys(name, overrides, forward, function):
    # Larger initial weights, so that no operation is lost in rounding.
    model = build(name, initial_sd=0.03, **overrides)
    model.get_layer('conv1_a').kernel.assign(
        RANDOM.normal(0, 0.02, (5, 5, 3, 64))[..., : model.get_layer('conv1_a').kernel.shape[-1]]
    )
    size = recipes.RECIPES[name].crop_size
    images = RANDOM.normal(0, 60, (2, size, size, 3)).astype(np.float32)
    logits = model(images).numpy()
    for image, actual in zip(images, logits, strict=True):
        expected = forward(
            image,
            lambda layer: model.get_layer(layer if layer.startswith('fc') else f'{layer}_a'),
            function,
        )
        np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def test_features_are_the_inputs_of_the_last_layer():
    model = build('figure1')
    images = RANDOM.normal(0, 60, (2, 32, 32, 3)).astype(np.float32)
    features = features_lib.build_feature_extractor(model)(images)
    layer = model.get_layer('fc4')
    logits = features.numpy() @ layer.kernel.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(logits, model(images), atol=1e-5)


def change(recipe, field):
    """Returns another value of a field, or None if it is neither a number nor a name."""
    value = {'activation': 'tanh', 'columns': -1}.get(field, getattr(recipe, field))
    if isinstance(value, bool):
        return not value
    return value + 2 if isinstance(value, int | float) else None


def test_unused_fields_change_nothing_and_used_ones_do():
    for name in ('cifar13', 'cifar11', 'figure1'):
        original, recipe = build(name).to_json(), recipes.RECIPES[name]
        unused = cifar.list_unused_fields(recipe)
        assert ('lrn_k' in unused) == (name != 'cifar11')
        changes = {field: change(recipe, field) for field in unused}
        changes = {field: value for field, value in changes.items() if value is not None}
        assert len(changes) > 5
        assert build(name, **changes).to_json() == original
        for field in ('lrn_n', 'normalization', 'pool_size', 'initial_sd', 'crop_size'):
            if field not in unused:
                assert build(name, **{field: change(recipe, field)}).to_json() != original, field


def test_a_second_device_is_refused():
    with pytest.raises(ValueError, match='2 devices for 1 column'):
        alexnet.build(recipes.CIFAR13, num_classes=10, devices=('/CPU:0', '/CPU:1'))
