"""The network against the paper's numbers and those of its source."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes

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


@pytest.fixture(scope='module', params=['paper', 'source2012'])
def model(request):
    return alexnet.build(recipes.RECIPES[request.param], num_classes=1000)


def test_parameters_by_layer(model):
    counted = dict.fromkeys(PARAMETERS, 0)
    for layer in model.layers:
        if layer.weights and layer.name.split('_')[0] in counted:
            counted[layer.name.split('_')[0]] += sum(
                np.prod(w.shape) for w in layer.trainable_variables
            )
    assert counted == PARAMETERS
    trainable = sum(int(np.prod(each.shape)) for each in model.trainable_variables)
    assert trainable == 60_965_224


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        ('conv1', (55, 55, 48)),
        ('pool1', (27, 27, 48)),
        ('conv2', (27, 27, 128)),
        ('pool2', (13, 13, 128)),
        ('conv3', (13, 13, 192)),
        ('conv4', (13, 13, 192)),
        ('conv5', (13, 13, 128)),
        ('pool5', (6, 6, 128)),
        ('fc6', (2048,)),
        ('fc7', (2048,)),
    ],
)
def test_sizes_in_each_column(model, layer, shape):
    for column in 'ab':
        assert model.get_layer(f'{layer}_{column}').output.shape[1:] == shape


def test_initial_values(model):
    numbers = (
        recipes.PAPER
        if 'norm2_same_map_a' not in {x.name for x in model.layers}
        else (recipes.SOURCE2012)
    )
    for name, sd, bias in [
        ('conv1_a', 0.01, 0),
        ('conv2_b', 0.01, 1),
        ('conv3_a', numbers.initial_sd_middle, 0),
        ('conv4_b', numbers.initial_sd_middle, 1),
        ('conv5_a', numbers.initial_sd_middle, 1),
        ('fc6_a', 0.01, 1),
        ('fc7_b', 0.01, 1),
        ('fc8', 0.01, 0),
    ]:
        layer = model.get_layer(name)
        assert np.std(layer.kernel.numpy()) == pytest.approx(sd, rel=0.03)
        assert np.unique(layer.bias.numpy()) == pytest.approx([bias])


def test_columns_start_from_different_weights(model):
    a, b = (model.get_layer(f'conv2_{at}').kernel.numpy() for at in 'ab')
    assert np.abs(a - b).max() > 0.01


@pytest.mark.parametrize(('crop', 'past'), [(224, 3), (227, 0), (223, 0), (225, 2), (67, 0)])
def test_far_padding_lets_the_last_window_begin_inside(crop, past):
    assert alexnet.compute_padding(crop) == past


def test_conv4_and_conv5_see_their_own_column_only():
    """Changing column b's pool2 changes a through conv3 and not before; a's conv2 never sees b."""
    tiny = recipes.resolve('paper', crop_size=67)
    model = alexnet.build(tiny, num_classes=3, width=1 / 8)
    inputs = {layer.name: layer.input for layer in model.layers}
    assert isinstance(inputs['conv3_a_join' if 'conv3_a_join' in inputs else 'conv3_join_a'], list)
    for name in ('conv2_a', 'conv4_a', 'conv5_a'):
        assert model.get_layer(name).input.shape[-1] == {'conv2_a': 6, 'conv4_a': 24}.get(name, 24)


def test_small_crops_are_refused_by_name():
    with pytest.raises(ValueError, match='crop_size=63'):
        alexnet.build(recipes.resolve('paper', crop_size=63), num_classes=3, width=1 / 48)


# Footnote 2, section 7 and the ablations of section 3, counted by hand.
VARIANTS = {
    'one column': ({'columns': 1}, 59_798_312),
    'six convolutions': ({'conv6': True}, 61_555_304),
    'without normalisation': ({'normalization': False}, 60_965_224),
    'pooling without overlap': ({'pool_size': 2}, 60_965_224),
    'tanh': ({'activation': 'tanh'}, 60_965_224),
    'without conv4': ({'removed_layer': 'conv4'}, 60_965_224 - 663_936),
    # Both columns' 256 maps come to conv4 now, where 192 came.
    'without conv3': ({'removed_layer': 'conv3'}, 60_965_224 - 885_120 + 2 * 192 * 9 * (256 - 192)),
    'without conv5': (
        {'removed_layer': 'conv5'},
        60_965_224 - 442_624 + 6 * 6 * (384 - 256) * 4096,
    ),
}


@pytest.mark.parametrize(('changed', 'parameters'), VARIANTS.values(), ids=VARIANTS)
def test_parameters_of_variants(changed, parameters, monkeypatch):
    monkeypatch.setattr(keras.initializers, 'RandomNormal', lambda **_: 'zeros')  # not looked at
    model = alexnet.build(recipes.resolve('source2012', **changed), num_classes=1000)
    assert sum(int(np.prod(each.shape)) for each in model.trainable_variables) == parameters


def test_pooling_without_overlap_keeps_the_maps():
    model = alexnet.build(recipes.resolve('paper', pool_size=2), num_classes=10, width=0.1)
    sizes = [model.get_layer(f'{name}_a').output.shape[1] for name in ('pool1', 'pool2', 'pool5')]
    assert sizes == [27, 13, 6]


def test_tanh_replaces_every_relu_and_normalisation_goes():
    numbers = recipes.resolve('source2012', activation='tanh', normalization=False)
    names = {each.name for each in alexnet.build(numbers, num_classes=10, width=0.1).layers}
    assert not [name for name in names if name.startswith(('relu', 'norm'))]
    assert {f'tanh{at}_{column}' for at in range(1, 8) for column in 'ab'} <= names


def test_conv6_reads_both_columns():
    model = alexnet.build(recipes.resolve('paper', conv6=True), num_classes=10)
    assert model.get_layer('conv6_b').kernel.shape == (3, 3, 256, 128)
    assert model.get_layer('conv6_b').output.shape == (None, 6, 6, 128)


def test_one_column_has_one_device():
    with pytest.raises(ValueError, match='2 devices for 1 column'):
        alexnet.build(
            recipes.resolve('paper', columns=1), num_classes=2, devices=('/CPU:0', '/CPU:1')
        )


def test_caffes_normalisation_reaches_across_the_columns():
    """Against TensorFlow's own op over all maps, which does not divide alpha either."""
    numbers = recipes.resolve('caffe', crop_size=67, lrn_alpha=1e-3)
    model = alexnet.build(numbers, num_classes=3, width=0.125)
    get = model.get_layer
    ours = [get(f'norm1_own_{at}').output for at in 'ab']
    parts = keras.Model(model.input, [get('relu1_a').output, get('relu1_b').output, *ours])
    images = np.random.default_rng(0).normal(0, 60, (2, 67, 67, 3)).astype(np.float32)
    a, b, *made = parts(images)
    expected = tf.nn.local_response_normalization(
        tf.concat([a, b], -1), depth_radius=2, bias=1.0, alpha=1e-3, beta=0.75
    )
    np.testing.assert_allclose(tf.concat(made, -1), expected, rtol=1e-4, atol=1e-6)
    alone = tf.nn.local_response_normalization(a, 2, 1.0, 1e-3, 0.75)
    assert np.abs(alone - made[0])[..., -1].max() > 1e-4


def test_caffes_start():
    model = alexnet.build(recipes.CAFFE, num_classes=1000)
    assert sum(int(np.prod(each.shape)) for each in model.trainable_variables) == 60_965_224
    assert model.get_layer('conv1_a').output.shape == (None, 55, 55, 48)
    for name, sd, bias in [('conv4_a', 0.01, 0.1), ('fc6_b', 0.005, 0.1), ('fc8', 0.01, 0)]:
        layer = model.get_layer(name)
        assert np.std(layer.kernel.numpy()) == pytest.approx(sd, rel=0.03)
        assert np.unique(layer.bias.numpy()) == pytest.approx([bias])
