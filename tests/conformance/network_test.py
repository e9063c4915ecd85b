"""What the network keeps, whichever its recipe."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, cifar, recipes
from alexnet_tf.training import optimizer, steps

CROP, CLASSES = 67, 7
RANDOM = np.random.default_rng(0)
WHOLE = RANDOM.normal(0, 60, (4, CROP, CROP, 3)).astype(np.float32)
LABELS = np.arange(4)
SMALL = [name for name, numbers in recipes.RECIPES.items() if numbers.layers]
every_recipe = pytest.mark.parametrize('name', recipes.RECIPES)
every_whole_recipe = pytest.mark.parametrize('name', sorted(set(recipes.RECIPES) - set(SMALL)))


def _saved():
    """All recipes, those slow that are built as another is."""
    alike = {'paper', 'caffe', 'cifar13'}
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in alike)) for name in recipes.RECIPES
    ]


def build(name, **more):
    if name in SMALL:
        return cifar.build(recipes.RECIPES[name], num_classes=CLASSES, width=0.125, **more)
    numbers = recipes.resolve(name, crop_size=CROP, initial_sd=0.05, initial_sd_hidden=0.05)
    return alexnet.build(numbers, num_classes=CLASSES, width=0.125, **more)


@functools.cache
def whole(name):
    """A float32 network that no test changes."""
    return build(name)


def images_of(name):
    size = recipes.RECIPES[name].crop_size if name in SMALL else CROP
    return WHOLE[:, :size, :size]


IMAGES = images_of('paper')


def sgd_of(model):
    sgd = optimizer.PaperSGD(model.trainable_variables)
    sgd.set_learning_rate(0.001, bias_multiplier=2.0)
    return sgd


@pytest.mark.parametrize(
    'name',
    [
        'source2012',
        pytest.param('paper', marks=pytest.mark.slow),
        pytest.param('caffe', marks=pytest.mark.slow),
    ],
)
def test_two_devices_learn_what_one_does(name):
    """To the last bit: the same operations, elsewhere."""
    trained = []
    for devices in ((), ('/CPU:0', '/CPU:1')):
        model = build(name, devices=devices, compiled=True)
        learn = steps.create_training_step(model, sgd_of(model))
        metrics = [learn(IMAGES, LABELS, np.ones(4, np.float32)).metrics.numpy() for _ in range(3)]
        trained.append((metrics, model.get_weights()))
    for one, two in zip(*trained, strict=True):
        for value, other in zip(one, two, strict=True):
            np.testing.assert_array_equal(value, other)


@every_whole_recipe
def test_variables_are_on_their_columns_device(name):
    model = build(name, devices=('/CPU:0', '/CPU:1'))
    for layer in model.layers:
        for each in layer.variables:
            wanted = 'CPU:1' if layer.name.endswith('_b') else 'CPU:0'
            assert wanted in each.value.device, each.path


@pytest.mark.parametrize('name', _saved())
def test_saved_model_round_trip(name, tmp_path):
    model = whole(name)
    model.export(tmp_path / 'it', verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'it'))
    images = images_of(name)
    np.testing.assert_allclose(loaded.serve(images), model(images), rtol=1e-4, atol=1e-5)


@every_recipe
def test_keras_file_round_trip(name, tmp_path):
    model = whole(name)
    model.save(tmp_path / 'it.keras')
    again = keras.models.load_model(tmp_path / 'it.keras')
    np.testing.assert_array_equal(again(images_of(name)), model(images_of(name)))


@every_recipe
def test_mixed_precision_keeps_weights_and_logits_exact(name):
    model, exact = build(name, precision='bfloat16'), whole(name)
    images = images_of(name)
    logits = model(images)
    assert logits.dtype == tf.float32
    assert {each.dtype for each in model.trainable_variables} == {'float32'}
    assert model.get_layer('conv2_a').compute_dtype == 'bfloat16'
    scale = np.abs(exact(images)).max()
    np.testing.assert_allclose(logits, exact(images), atol=0.05 * scale)


def test_the_seed_decides_the_start():
    for value, same in zip(build('paper').get_weights(), build('paper').get_weights(), strict=True):
        np.testing.assert_array_equal(value, same)
    other = build('paper', seed=1).get_layer('conv1_a').kernel.numpy()
    assert np.abs(other - build('paper').get_layer('conv1_a').kernel.numpy()).mean() > 0.01


def test_a_masked_example_teaches_nothing():
    results, model = [], build('paper')
    sgd, start = sgd_of(model), model.get_weights()
    learn = steps.create_training_step(model, sgd)
    for images in (IMAGES, np.concatenate([IMAGES[:3], 9 * IMAGES[3:]])):
        model.set_weights(start)
        for each in sgd.velocities:
            each.assign(tf.zeros(each.shape))
        learn(images, LABELS, np.array([1, 1, 1, 0], np.float32))
        results.append(model.get_weights())
    for value, other in zip(*results, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-8)
