"""Properties of the networks of all recipes."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, cifar, recipes
from alexnet_tf.training import optimizer, steps

CROP, CLASSES = 67, 7
RANDOM = np.random.default_rng(0)
LARGE = RANDOM.normal(0, 60, (4, CROP, CROP, 3)).astype(np.float32)
LABELS = np.arange(4)
SMALL = [name for name, recipe in recipes.RECIPES.items() if recipe.layers]
every_recipe = pytest.mark.parametrize('name', recipes.RECIPES)
every_large_recipe = pytest.mark.parametrize('name', sorted(set(recipes.RECIPES) - set(SMALL)))


def list_saved():
    """Lists all recipes; those whose layers are also in another one are slow."""
    alike = {'paper', 'caffe', 'cifar13'}
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in alike)) for name in recipes.RECIPES
    ]


def build(name, **options):
    if name in SMALL:
        return cifar.build(recipes.RECIPES[name], num_classes=CLASSES, width=0.125, **options)
    recipe = recipes.RECIPES[name].replace(crop_size=CROP, initial_sd=0.05, initial_sd_hidden=0.05)
    return alexnet.build(recipe, num_classes=CLASSES, width=0.125, **options)


@functools.cache
def build_once(name):
    """Builds a float32 network that no test changes."""
    return build(name)


def get_images(name):
    size = recipes.RECIPES[name].crop_size if name in SMALL else CROP
    return LARGE[:, :size, :size]


IMAGES = get_images('paper')


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


@every_large_recipe
def test_variables_are_on_the_device_of_their_column(name):
    model = build(name, devices=('/CPU:0', '/CPU:1'))
    for layer in model.layers:
        for variable in layer.variables:
            device = 'CPU:1' if layer.name.endswith('_b') else 'CPU:0'
            assert device in variable.value.device, variable.path


@pytest.mark.parametrize('name', list_saved())
def test_a_saved_model_round_trip_keeps_the_logits(name, tmp_path):
    model = build_once(name)
    model.export(tmp_path / 'export', verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'export'))
    images = get_images(name)
    np.testing.assert_allclose(loaded.serve(images), model(images), rtol=1e-4, atol=1e-5)


@every_recipe
def test_a_keras_file_round_trip_keeps_the_logits(name, tmp_path):
    model = build_once(name)
    model.save(tmp_path / 'network.keras')
    again = keras.models.load_model(tmp_path / 'network.keras')
    np.testing.assert_array_equal(again(get_images(name)), model(get_images(name)))


@every_recipe
def test_mixed_precision_keeps_weights_and_logits_exact(name):
    model, exact = build(name, precision='bfloat16'), build_once(name)
    images = get_images(name)
    logits = model(images)
    assert logits.dtype == tf.float32
    assert {variable.dtype for variable in model.trainable_variables} == {'float32'}
    assert model.get_layer('conv2_a').compute_dtype == 'bfloat16'
    scale = np.abs(exact(images)).max()
    np.testing.assert_allclose(logits, exact(images), atol=0.05 * scale)


def test_the_seed_decides_the_initial_weights():
    for value, same in zip(build('paper').get_weights(), build('paper').get_weights(), strict=True):
        np.testing.assert_array_equal(value, same)
    other = build('paper', seed=1).get_layer('conv1_a').kernel.numpy()
    assert np.abs(other - build('paper').get_layer('conv1_a').kernel.numpy()).mean() > 0.01


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
