"""The network against the paper's and the fact sheets' numbers."""

import numpy as np
import pytest

from alexnet_tf.network import alexnet, recipe

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
    return alexnet.build(recipe.PRESETS[request.param], num_classes=1000)


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
        recipe.PAPER
        if 'norm2_same_map_a' not in {x.name for x in model.layers}
        else (recipe.SOURCE2012)
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
    assert alexnet.far_padding(crop) == past


def test_conv4_and_conv5_see_their_own_column_only():
    """Changing column b's pool2 changes a through conv3 and not before; a's conv2 never sees b."""
    tiny = recipe.resolve('paper', crop_size=67)
    model = alexnet.build(tiny, num_classes=3, width=1 / 8)
    inputs = {layer.name: layer.input for layer in model.layers}
    assert isinstance(inputs['conv3_a_join' if 'conv3_a_join' in inputs else 'conv3_join_a'], list)
    for name in ('conv2_a', 'conv4_a', 'conv5_a'):
        assert model.get_layer(name).input.shape[-1] == {'conv2_a': 6, 'conv4_a': 24}.get(name, 24)


def test_small_crops_are_refused_by_name():
    with pytest.raises(ValueError, match='crop_size=63'):
        alexnet.build(recipe.resolve('paper', crop_size=63), num_classes=3, width=1 / 48)
