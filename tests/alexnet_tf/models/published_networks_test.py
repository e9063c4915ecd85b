"""Each AlexNet against a forward pass in NumPy and float64, written from what is published.

The networks are compared layer by layer, with random weights and biases, at a sixteenth of the
width and for images of 64 pixels (67 for Caffe's), where every border is as at 224 and 227 pixels.
"""

import dataclasses

import keras
import numpy as np
import pytest

from alexnet_tf.models import alexnet, features, recipes
from alexnet_tf.models.weights import assignment, readers, recognition

CLASSES, WIDTH = 7, 1 / 16
ONE_COLUMN, PAPER = (64, 192, 384, 256, 256), (96, 256, 384, 384, 256)
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """What is published of a network: `norm` is (k, alpha times n, n), beta is always 0.75."""

    filters: tuple[int, ...]
    groups: int
    size: int = 64
    before: int = 0
    after: int = 0
    orders: tuple[str, str, str] = ('relu norm pool', 'relu norm pool', 'relu pool')
    norm: tuple[float, float, int] = (2.0, 1e-4, 5)
    norm_groups: int = 1
    same_map_alpha: float = 0.0  # times 25, of a further normalisation after the second one
    pads_pooling: bool = False
    is_scaled: bool = False
    dropped: str = 'relu6'
    scale: float = 1.0  # of pixels minus the mean
    kept: float = 1.0  # of fc6's and fc7's outputs, when nothing is dropped


NETWORKS = {
    'paper': Published(
        filters=PAPER, groups=2, after=3, norm=(2.0, 5e-4, 5), norm_groups=2, kept=0.5
    ),
    'source2012': Published(
        filters=PAPER,
        groups=2,
        after=3,
        orders=('norm pool relu', 'relu norm pool', 'relu pool'),
        norm_groups=2,
        same_map_alpha=1e-3,
        kept=0.5,
    ),
    'caffe': Published(filters=PAPER, groups=2, size=67, norm=(1.0, 1e-4, 5)),
    'caffenet': Published(
        filters=PAPER,
        groups=2,
        size=67,
        orders=('relu pool norm', 'relu pool norm', 'relu pool'),
        norm=(1.0, 1e-4, 5),
    ),
    'one_weird_trick': Published(
        filters=ONE_COLUMN,
        groups=1,
        after=3,
        orders=('norm pool relu', 'relu norm pool', 'pool relu'),
        kept=0.5,
    ),
    'torchvision': Published(
        filters=ONE_COLUMN,
        groups=1,
        before=2,
        after=2,
        orders=('relu pool', 'relu pool', 'relu pool'),
        is_scaled=True,
        dropped='pool5_flat',
    ),
    'tf2cv': Published(
        filters=PAPER, groups=1, norm=(2.0, 11e-4, 11), pads_pooling=True, is_scaled=True
    ),
    'batch_norm': Published(
        filters=PAPER, groups=2, after=3, orders=('relu pool', 'relu pool', 'relu pool')
    ),
    # Nobody else's: as `recipes` describes it.
    'modern': Published(
        filters=PAPER,
        groups=2,
        after=3,
        orders=('relu pool', 'relu pool', 'relu mean'),
        scale=1 / 64,
    ),
}


def sample_pixels(size):
    return np.random.default_rng(1).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


def build(name):
    """Builds a network with random weights, biases and statistics of about the inputs' size."""
    size = NETWORKS[name].size
    recipe = recipes.RECIPES[name].replace(crop_size=size, channel_multiple=1)
    recipe = recipe.replace(training_crop_size=0)
    model = alexnet.build(recipe, num_classes=CLASSES, width=WIDTH)
    random = np.random.default_rng(0)
    for variable in model.weights:
        if variable.path.endswith('kernel'):
            sd = 2 / np.sqrt(np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0, sd, variable.shape))
        elif 'seed' not in variable.path:
            positive = variable.path.endswith(('gamma', 'variance'))
            low = 0.5 if positive else -0.5
            variable.assign(random.uniform(low, low + 1, variable.shape))
    return model


def get_parts(model, layer, variable):
    """Returns a layer's variable in each column."""
    parts = (f'{layer}_a', f'{layer}_b', layer)
    values = [getattr(part, variable) for part in model.layers if part.name in parts]
    return [np.float64(value) for value in values if value is not None]


def read_images(published, pixels):
    if published.is_scaled:
        return (pixels / 255 - MEAN) / SD
    return (pixels - np.float64((120, 110, 100))) * published.scale


def convolve(x, kernels, stride, before, after):
    """Convolves groups of feature maps with a kernel each."""
    border = (before, after)
    x = np.pad(x, ((0, 0), border, border, (0, 0)))
    groups = np.split(x, len(kernels), axis=-1) if x.shape[-1] > kernels[0].shape[2] else [x] * 2
    outputs = []
    for group, kernel in zip(groups, kernels, strict=False):
        size = kernel.shape[0]
        windows = np.lib.stride_tricks.sliding_window_view(group, (size, size), axis=(1, 2))
        windows = windows[:, ::stride, ::stride]
        outputs.append(np.tensordot(windows, kernel, axes=((4, 5, 3), (0, 1, 2))))
    return np.concatenate(outputs, axis=-1)


def normalize(x, k, alpha_n, n, groups):
    """Normalises by n neighbouring feature maps, of those of each group."""
    y = np.empty_like(x)
    for first in range(0, x.shape[-1], x.shape[-1] // groups):
        maps = x[..., first : first + x.shape[-1] // groups]
        for i in range(maps.shape[-1]):
            near = maps[..., max(0, i - n // 2) : i + n // 2 + 1]
            sums = k + alpha_n / n * (near**2).sum(axis=-1)
            y[..., first + i] = maps[..., i] / sums**0.75
    return y


def normalize_in_maps(x, alpha_25):
    """Normalises by the 5x5 neighbours in the same feature map."""
    squares = np.pad(x**2, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(squares, (5, 5), axis=(1, 2))
    return x / (1 + alpha_25 / 25 * windows.sum(axis=(-2, -1))) ** 0.75


def pool(x, pads):
    if pads and (x.shape[1] - 3) % 2:
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = range(0, x.shape[1] - 2, 2)
    return np.stack(
        [
            np.stack([x[:, i : i + 3, j : j + 3].max(axis=(1, 2)) for j in rows], axis=1)
            for i in rows
        ],
        axis=1,
    )


def add_biases(model, layer, x):
    """Adds the biases, or normalises by the statistics of batches."""
    if biases := get_parts(model, layer, 'bias'):
        return x + np.concatenate(biases)
    gamma, beta, mean, variance = (
        np.concatenate(get_parts(model, f'{layer}_batch_norm', name))
        for name in ('gamma', 'beta', 'moving_mean', 'moving_variance')
    )
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def compute(published, model, images):
    """Computes the outputs of all layers, by the paper's names."""
    relu = {'relu': lambda x: np.maximum(x, 0)}
    pooling = {'pool': lambda x: pool(x, published.pads_pooling)}
    norm = {'norm': lambda x: normalize(x, *published.norm, published.norm_groups)}
    mean = {'mean': lambda x: x.mean(axis=(1, 2), keepdims=True)}
    operations, outputs, x = relu | pooling | norm | mean, {}, images
    first, second, last = published.orders
    for number, order in enumerate((first, second, 'relu', 'relu', last), 1):
        layer = f'conv{number}'
        borders = (published.before, published.after) if number == 1 else (2, 2)
        borders = (1, 1) if number > 2 else borders
        kernels = get_parts(model, layer, 'kernel')
        x = convolve(x, kernels, 4 if number == 1 else 1, *borders)
        x = outputs[layer] = add_biases(model, layer, x)
        for operation in order.split():
            x = outputs[f'{operation}{number}'] = operations[operation](x)
            if published.same_map_alpha and (operation, number) == ('norm', 2):
                x = normalize_in_maps(x, published.same_map_alpha)
                outputs['norm2_same_map'] = x
    if last == 'pool relu':  # a maximum of linear outputs, then ReLU; ours is the other way round
        outputs['pool5'] = outputs.pop('relu5')
    if last == 'relu mean':
        outputs['pool5'] = outputs.pop('mean5')
    parts = np.split(x, published.groups, axis=-1)
    x = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
    for layer in ('fc6', 'fc7'):
        x = np.concatenate([x @ kernel for kernel in get_parts(model, layer, 'kernel')], axis=1)
        x = outputs[layer] = add_biases(model, layer, x)
        x = outputs[f'relu{layer[-1]}'] = np.maximum(x, 0)
        x = x * published.kept
    outputs['fc8'] = x @ get_parts(model, 'fc8', 'kernel')[0] + get_parts(model, 'fc8', 'bias')[0]
    return outputs


def get_output(model, layer):
    """Returns the outputs of a layer, of both columns."""
    after = f'{layer}_batch_norm' if layer[0] in 'cf' else f'{layer}_own'
    for name in (after, layer):
        outputs = [x.output for x in model.layers if x.name in (f'{name}_a', f'{name}_b', name)]
        if outputs:
            return keras.layers.concatenate(outputs) if len(outputs) > 1 else outputs[0]
    raise AssertionError(layer)


@pytest.mark.parametrize('name', NETWORKS)
def test_every_layer_is_as_published(name):
    published, model = NETWORKS[name], build(name)
    pixels = sample_pixels(published.size)
    expected = compute(published, model, read_images(published, pixels))
    probe = keras.Model(model.input, {layer: get_output(model, layer) for layer in expected})
    mean = recipes.RECIPES[name].input_mean or (120, 110, 100)
    outputs = probe((pixels - np.float64(mean)).astype(np.float32))
    for layer, values in expected.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(outputs[layer], values, rtol=0, atol=1e-5 * scale, err_msg=layer)
    filters = [expected[f'conv{number}'].shape[-1] / WIDTH for number in range(1, 6)]
    assert filters == list(published.filters)
    dropped = model.get_layer(f'{published.dropped}_a').output
    assert model.get_layer('drop6_a').input is dropped


def build_torch(torch):
    """Builds torchvision's modules at a sixteenth of the width, for images of 96 pixels."""
    nn = torch.nn
    first = [nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    second = [nn.Conv2d(4, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    others = [
        layer
        for inputs, filters in ((12, 24), (24, 16), (16, 16))
        for layer in (nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU())
    ]
    network = nn.Module()
    network.features = nn.Sequential(*first, *second, *others, nn.MaxPool2d(3, 2))
    network.classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(16 * 2 * 2, 256), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES)),
    )
    return network.double().eval()


@pytest.mark.slow
@pytest.mark.parametrize('is_zip', [True, False])
def test_a_network_that_torch_saved_computes_what_it_does_in_torch(is_zip, tmp_path):
    torch = pytest.importorskip('torch', reason='torch is not installed')
    torch.manual_seed(0)
    network, path = build_torch(torch), tmp_path / 'weights.pth'
    state = {name: tensor.float() for name, tensor in network.state_dict().items()}
    torch.save({'state_dict': state}, path, _use_new_zipfile_serialization=is_zip)
    recipe = recipes.TORCHVISION.replace(crop_size=96)
    model, file = alexnet.build(recipe, num_classes=CLASSES, width=WIDTH), readers.read(path)
    recognised = recognition.recognize(file)
    assert recognised.recipes == ('torchvision',)
    assert assignment.assign(model, file, recognised)[1] == []
    pixels = sample_pixels(96)
    images = read_images(NETWORKS['torchvision'], pixels).transpose(0, 3, 1, 2).copy()
    maps = network.features(torch.tensor(images))
    expected = network.classifier(maps.flatten(1)).detach().numpy()
    logits = model((pixels - np.float64(recipe.input_mean)).astype(np.float32))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize('name', ['caffe', 'caffenet'])
def test_features_of_a_norm_are_the_channels_that_the_network_uses(name):
    """LRN reaches over the seam of the columns; what it borrows there is not its output."""
    published, model = NETWORKS[name], build(name)
    pixels = sample_pixels(published.size)
    expected = compute(published, model, read_images(published, pixels))
    images = (pixels - np.float64((120, 110, 100))).astype(np.float32)
    for layer in ('norm1', 'norm2'):
        values = features.build_layer_extractor(model, layer)(images)
        scale = np.abs(expected[layer]).max()
        np.testing.assert_allclose(values, expected[layer], rtol=0, atol=1e-5 * scale)
