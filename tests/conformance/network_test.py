"""Properties of the networks on their devices, and of their training step."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import optimizer, steps

CROP, CLASSES = 67, 7
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(0, 60, (4, CROP, CROP, 3)).astype(np.float32)
LABELS = np.arange(4)
TWO_COLUMNS = [name for name, recipe in recipes.RECIPES.items() if recipe.columns == 2]


def build(name, **options):
    recipe = recipes.RECIPES[name].replace(crop_size=CROP, initial_sd=0.05, initial_sd_hidden=0.05)
    return alexnet.build(recipe, num_classes=CLASSES, width=0.125, **options)


def create_sgd(model):
    sgd = optimizer.PaperSGD(0.001, bias_multiplier=2.0)
    sgd.build(model.trainable_variables)
    return sgd


@pytest.mark.parametrize(
    'name',
    [
        'source2012',
        pytest.param('paper', marks=pytest.mark.slow),
        pytest.param('caffe', marks=pytest.mark.slow),
        pytest.param('caffenet', marks=pytest.mark.slow),
    ],
)
def test_two_devices_train_the_same_as_one_to_the_bit(name):
    trained = []
    for devices in ((), ('/CPU:0', '/CPU:1')):
        model = build(name, devices=devices, compiled=True)
        learn = steps.create_training_step(model, create_sgd(model))
        metrics = [learn(IMAGES, LABELS, np.ones(4, np.float32)).metrics.numpy() for _ in range(3)]
        trained.append((metrics, model.get_weights()))
    for one, two in zip(*trained, strict=True):
        for value, other in zip(one, two, strict=True):
            np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize('name', TWO_COLUMNS)
def test_variables_are_on_the_device_of_their_column(name):
    model = build(name, devices=('/CPU:0', '/CPU:1'))
    for layer in model.layers:
        for variable in layer.variables:
            device = 'CPU:1' if layer.name.endswith('_b') else 'CPU:0'
            assert device in variable.value.device, variable.path


def test_a_masked_example_changes_nothing():
    results, model = [], build('paper')
    sgd, start = create_sgd(model), model.get_weights()
    learn = steps.create_training_step(model, sgd)
    for images in (IMAGES, np.concatenate([IMAGES[:3], 9 * IMAGES[3:]])):
        model.set_weights(start)
        for velocity in sgd.velocities:
            velocity.assign(tf.zeros(velocity.shape))
        learn(images, LABELS, np.array([1, 1, 1, 0], np.float32))
        results.append(model.get_weights())
    for value, other in zip(*results, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-8)
