"""The network against the paper's numbers and those of its source."""

import keras
import numpy as np
import pytest

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models import features as features_lib

# Parameters by layer, both columns: paper, section 3.5, counted by hand.
PARAMETERS = {
    'conv1': 34_944,
    'conv2': 307_456,
    'conv3': 885_120,
    'conv4': 663_936,
    'conv5': 442_624,
    'fc6': 37_752_832,
    'fc7': 16_781_312,
    'fc8': 4_097_000,
}

SIZES = {
    'conv1': (55, 55, 48),
    'pool1': (27, 27, 48),
    'conv2': (27, 27, 128),
    'pool2': (13, 13, 128),
    'conv3': (13, 13, 192),
    'conv4': (13, 13, 192),
    'conv5': (13, 13, 128),
    'pool5': (6, 6, 128),
    'fc6': (2048,),
    'fc7': (2048,),
}


def count_parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.fixture
def zeros(monkeypatch):
    """Initialises the weights of whole networks with zeros, which is faster."""
    monkeypatch.setattr(keras.initializers, 'RandomNormal', lambda **_: 'zeros')


@pytest.mark.parametrize('name', ['paper', 'source2012', 'caffe'])
def test_layers_have_the_papers_parameters_and_sizes_in_each_column(name, zeros):
    model = alexnet.build(recipes.RECIPES[name], num_classes=1000)
    counts = dict.fromkeys(PARAMETERS, 0)
    for layer in model.layers:
        if layer.weights and layer.name.split('_')[0] in counts:
            counts[layer.name.split('_')[0]] += count_parameters(layer)
    assert counts == PARAMETERS
    assert count_parameters(model) == 60_965_224
    for layer, shape in SIZES.items():
        for column in 'ab':
            assert model.get_layer(f'{layer}_{column}').output.shape[1:] == shape, layer


@pytest.mark.parametrize(('name', 'middle'), [('paper', 0.01), ('source2012', 0.03)])
def test_initial_values_are_the_recipes(name, middle):
    model = alexnet.build(recipes.RECIPES[name], num_classes=1000, width=0.25)
    for layer_name, sd, bias in [
        ('conv1_a', 0.01, 0),
        ('conv2_b', 0.01, 1),
        ('conv3_a', middle, 0),
        ('conv4_b', middle, 1),
        ('conv5_a', middle, 1),
        ('fc6_a', 0.01, 1),
        ('fc7_b', 0.01, 1),
        ('fc8', 0.01, 0),
    ]:
        layer = model.get_layer(layer_name)
        assert np.std(layer.kernel.numpy()) == pytest.approx(sd, rel=0.03)
        assert np.unique(layer.bias.numpy()) == pytest.approx([bias])


@pytest.mark.parametrize(('crop', 'padding'), [(224, 3), (227, 0), (223, 0), (225, 2), (67, 0)])
def test_padding_lets_the_last_window_begin_inside(crop, padding):
    assert alexnet.compute_padding(crop) == padding


def test_conv2_conv4_and_conv5_read_their_own_column_only():
    """Counts the channels that they read: conv3 joins both columns, the others do not."""
    tiny = recipes.PAPER.replace(crop_size=67)
    model = alexnet.build(tiny, num_classes=3, width=1 / 8)
    assert isinstance(model.get_layer('conv3_join_a').input, list)
    for name, channels in (('conv2_a', 6), ('conv4_a', 24), ('conv5_a', 24)):
        assert model.get_layer(name).input.shape[-1] == channels


# Footnote 2, section 7 and the ablations of section 3, counted by hand.
VARIANTS = {
    'one column': ({'columns': 1}, 59_798_312),
    'six convolutions': ({'conv6': True}, 61_555_304),
    'without normalisation': ({'normalization': False}, 60_965_224),
    'pooling without overlap': ({'pool_size': 2}, 60_965_224),
    'tanh': ({'activation': 'tanh'}, 60_965_224),
    'without conv4': ({'removed_layer': 'conv4'}, 60_965_224 - 663_936),
    # conv4 reads both columns' 256 channels then, instead of 192.
    'without conv3': ({'removed_layer': 'conv3'}, 60_965_224 - 885_120 + 2 * 192 * 9 * (256 - 192)),
    'without conv5': (
        {'removed_layer': 'conv5'},
        60_965_224 - 442_624 + 6 * 6 * (384 - 256) * 4096,
    ),
}


@pytest.mark.parametrize(('overrides', 'parameters'), VARIANTS.values(), ids=VARIANTS)
def test_variants_have_the_parameters_counted_by_hand(overrides, parameters, zeros):
    model = alexnet.build(recipes.SOURCE2012.replace(**overrides), num_classes=1000)
    assert count_parameters(model) == parameters


def test_pooling_without_overlap_keeps_the_sizes():
    model = alexnet.build(recipes.PAPER.replace(pool_size=2), num_classes=10, width=0.1)
    sizes = [model.get_layer(f'{name}_a').output.shape[1] for name in ('pool1', 'pool2', 'pool5')]
    assert sizes == [27, 13, 6]


def test_tanh_replaces_every_relu_and_no_normalisation_is_left():
    recipe = recipes.SOURCE2012.replace(activation='tanh', normalization=False)
    names = {layer.name for layer in alexnet.build(recipe, num_classes=10, width=0.1).layers}
    assert not [name for name in names if name.startswith(('relu', 'norm'))]
    assert {f'tanh{at}_{column}' for at in range(1, 8) for column in 'ab'} <= names


def test_conv6_reads_both_columns(zeros):
    model = alexnet.build(recipes.PAPER.replace(conv6=True), num_classes=10)
    assert model.get_layer('conv6_b').kernel.shape == (3, 3, 256, 128)
    assert model.get_layer('conv6_b').output.shape == (None, 6, 6, 128)


def test_caffes_initial_values_are_its_own():
    model = alexnet.build(recipes.CAFFE, num_classes=1000, width=0.25)
    for name, sd, bias in [('conv4_a', 0.01, 0.1), ('fc6_b', 0.005, 0.1), ('fc8', 0.01, 0)]:
        layer = model.get_layer(name)
        assert np.std(layer.kernel.numpy()) == pytest.approx(sd, rel=0.03)
        assert np.unique(layer.bias.numpy()) == pytest.approx([bias])


def test_the_feature_extractor_gives_both_columns_of_the_last_hidden_layer():
    model = alexnet.build(recipes.PAPER.replace(crop_size=67), num_classes=3, width=1 / 64)
    images = np.random.default_rng(0).normal(0, 60, (2, 67, 67, 3)).astype(np.float32)
    features = features_lib.build_feature_extractor(model)(images).numpy()
    assert features.shape == (2, 64)
    fc8 = model.get_layer('fc8')
    logits = 0.5 * features @ fc8.kernel.numpy() + fc8.bias.numpy()  # dropout scales at test time
    np.testing.assert_allclose(logits, model(images), atol=1e-5)


def test_modern_has_channels_in_sixteens_and_initial_deviations_of_he_except_in_fc8():
    recipe = recipes.MODERN.replace(crop_size=67, training_crop_size=0)
    model = alexnet.build(recipe, num_classes=100, width=0.25)
    shapes = {
        **{'conv1_a': (11, 11, 3, 16), 'conv2_b': (5, 5, 16, 32), 'conv3_a': (3, 3, 64, 48)},
        **{'conv4_b': (3, 3, 48, 48), 'conv5_a': (3, 3, 48, 32), 'fc6_b': (64, 256)},
        **{'fc7_a': (512, 256), 'fc8': (512, 100)},
    }
    for name, shape in shapes.items():
        kernel = model.get_layer(name).kernel.numpy()
        assert kernel.shape == shape
        sd = 0.01 if name == 'fc8' else (2 / np.prod(shape[:-1])) ** 0.5
        assert kernel.std() == pytest.approx(sd, rel=0.05)
    # Half of 48 is one and a half sixteens, rounded to even.
    assert alexnet.build(recipe, num_classes=2, width=0.5).get_layer('conv1_a').filters == 32


def test_conv6_reads_pool5_of_both_columns_and_ends_with_a_relu():
    recipe = recipes.SOURCE2012.replace(conv6=True, crop_size=67)  # one position in pool5
    model = alexnet.build(recipe, num_classes=3, width=1 / 8)
    assert np.unique(model.get_layer('conv6_a').bias) == [1]
    assert model.get_layer('conv6_a').kernel.numpy().std() == pytest.approx(0.03, rel=0.05)
    random, layers = np.random.default_rng(0), [model.get_layer(f'conv6_{c}') for c in 'ab']
    for layer in layers:
        layer.bias.assign(random.normal(size=16))
    names = [f'{name}_{column}' for name in ('pool5', 'pool5_flat') for column in 'ab']
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    a, b, *flat = probe(random.normal(0, 60, (2, 67, 67, 3)).astype(np.float32))
    both = np.concatenate([a, b], -1)[:, 0, 0]
    for layer, values in zip(layers, flat, strict=True):
        expected = np.maximum(both @ layer.kernel.numpy()[1, 1] + layer.bias.numpy(), 0)
        assert (expected == 0).any()
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('padding', [-1, 0, 2])
def test_the_smallest_crop_leaves_a_pixel_for_pool5(padding):
    recipe = recipes.MODERN.replace(conv1_padding=padding)

    def count_rows(crop):
        rows = (crop + sum(alexnet.choose_padding(recipe, crop)) - 11) // 4 + 1
        for _ in range(2):
            rows = (rows - 3) // 2 + 1
        return rows

    smallest = alexnet.compute_smallest_crop(recipe)
    assert [count_rows(smallest - 1), count_rows(smallest)] == [0, 1]
