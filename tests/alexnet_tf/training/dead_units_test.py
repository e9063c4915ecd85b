"""Units that no picture wakes."""

import numpy as np
import pytest

from alexnet_tf.models import alexnet, cifar, recipes
from alexnet_tf.training import dead_units, steps


@pytest.fixture(scope='module')
def model():
    return alexnet.build(recipes.resolve('paper', crop_size=67), num_classes=3, width=0.1)


def test_dead_ones_are_found(model):
    """Biases far below all that pictures bring put half of conv5_a and of fc7_b to sleep."""
    for name in ('conv5_a', 'fc7_b'):
        bias = model.get_layer(name).bias
        low = np.where(np.arange(len(bias.numpy())) < len(bias.numpy()) // 2, -1e6, 1.0)
        bias.assign(low)
    watched = dead_units.Units(model)
    score = steps.evaluation_step(model, lambda images: images, 1, watched.outputs)
    views = np.random.default_rng(0).normal(0, 60, (4, 67, 67, 3)).astype(np.float32)
    _, _, awake = score(views, np.zeros(4, np.int64), np.ones(4, np.float32))
    shares = watched.dead_shares(awake.numpy())
    assert list(shares) == ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7']
    conv5 = len(model.get_layer('conv5_a').bias.numpy())
    assert shares['conv5'] == pytest.approx(conv5 // 2 / (2 * conv5))
    assert shares['fc7'] == pytest.approx(0.25, abs=0.01)
    assert shares['conv2'] == shares['fc6'] == 0


def test_other_units_are_not_watched():
    tanh = alexnet.build(
        recipes.resolve('paper', crop_size=67, activation='tanh'), num_classes=3, width=0.1
    )
    watched = dead_units.Units(tanh)
    assert watched.outputs == []
    assert watched.dead_shares([]) == {}


def test_a_small_networks_units_have_its_layers_names():
    model = cifar.build(recipes.CIFAR11, num_classes=3, width=0.1)
    watched = dead_units.Units(model)
    number = sum(each.shape[-1] for each in watched.outputs)
    assert list(watched.dead_shares(np.ones(number))) == ['conv1', 'conv2', 'local3', 'local4']
