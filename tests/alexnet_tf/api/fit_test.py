"""Keras' `fit` on `AlexNet` with `PaperSGD` trains as the training step of `--mode=train` does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import alexnet_tf
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import distribution, optimizer, schedule, steps

RECIPE = recipes.Recipe.from_name('source2012').replace(
    crop_size=67,
    dropout=0.0,
    normalization=False,
    initial_sd=0.05,
    initial_sd_middle=0.1,
    initial_sd_hidden=0.1,
)
BATCH, CLASSES, WIDTH = 4, 3, 0.05
STEPS, DROP = 20, 10  # the learning rate is divided after so many steps
SETTINGS = {
    'momentum': RECIPE.momentum,
    'weight_decay': RECIPE.weight_decay,
    'bias_multiplier': RECIPE.bias_rate_multiplier,
    'layer_multipliers': {'conv1': 0.5, 'fc8': 10.0},
}
RATE = 0.001
RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.normal(0, 60, (STEPS * BATCH, 67, 67, 3)).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, STEPS * BATCH)


def train_by_own_step():
    """Returns the weights before and after."""
    model = alexnet.build(RECIPE, num_classes=CLASSES, width=WIDTH, compiled=True)
    start = model.get_weights()
    sgd = optimizer.PaperSGD(**SETTINGS)
    sgd.build(model.trainable_variables)
    step = steps.create_training_step(model, sgd)
    for number in range(STEPS):
        sgd.learning_rate = schedule.step_decay(RATE, (DROP,), number)
        rows = slice(number * BATCH, (number + 1) * BATCH)
        assert step(IMAGES[rows], LABELS[rows], np.ones(BATCH, np.float32)).finite
    return start, model.get_weights()


@pytest.fixture(scope='module')
def own():
    return train_by_own_step()


def compile_model(devices=(), sgd=None):
    model = alexnet_tf.AlexNet(recipe=RECIPE, classes=CLASSES, width=WIDTH, devices=devices)
    sgd = sgd or alexnet_tf.PaperSGD(RATE, **SETTINGS)
    model.compile(sgd, loss='sparse_categorical_crossentropy')
    return model


def fit(model, epoch):
    """Trains for an epoch of DROP steps; before the second, a callback divides the rate."""
    rows = slice(epoch * DROP * BATCH, (epoch + 1) * DROP * BATCH)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES[rows], LABELS[rows])).batch(BATCH)
    divide = keras.callbacks.LearningRateScheduler(
        lambda epoch: schedule.step_decay(RATE, (1,), epoch)
    )
    epochs = {'initial_epoch': epoch, 'epochs': epoch + 1}
    model.fit(dataset, **epochs, callbacks=[divide], shuffle=False, verbose=0)


def check_close(model, own):
    """Checks that the weights differ by far less than they moved."""
    for value, weight, first in zip(model.get_weights(), own[1], own[0], strict=True):
        moved = np.abs(weight - first).max()
        assert moved > 1e-5
        np.testing.assert_allclose(value, weight, atol=2e-3 * moved)


@pytest.mark.parametrize(
    'devices',
    # One device trains in the next test, too.
    [pytest.param((), marks=pytest.mark.slow), ('/CPU:0', '/CPU:1')],
    ids=['one', 'two devices'],
)
def test_twenty_steps_of_fit_give_the_weights_of_twenty_training_steps(own, devices):
    model = compile_model(devices)
    for epoch in range(2):
        fit(model, epoch)
    check_close(model, own)
    sgd = model.optimizer
    assert sgd.iterations == STEPS
    placed = [variable.value.device for variable in model.trainable_variables]
    assert [velocity.value.device for velocity in sgd.velocities] == placed
    assert len(set(placed)) == max(len(devices), 1)


def test_two_replicas_of_tensorflows_strategy_train_the_same(own):
    sgd = alexnet_tf.PaperSGD(RATE, **SETTINGS)  # outside of the scope, which Keras allows
    with distribution.create_replicas('mirrored', ['/CPU:0', '/CPU:1']).scope():
        model = compile_model(sgd=sgd)
    for epoch in range(2):
        fit(model, epoch)
    check_close(model, own)


def test_a_saved_model_resumes_with_its_velocities_and_settings(own, tmp_path):
    model = compile_model()
    fit(model, 0)
    model.save(tmp_path / 'model.keras')
    loaded = keras.models.load_model(tmp_path / 'model.keras')
    assert isinstance(loaded.optimizer, alexnet_tf.PaperSGD)
    fit(loaded, 1)
    check_close(loaded, own)


def test_with_a_scaled_loss_a_saved_model_has_its_velocities(tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy('mixed_float16')
    try:
        model = compile_model()
        fit(model, 0)
        model.save(tmp_path / 'model.keras')
        loaded = keras.models.load_model(tmp_path / 'model.keras')
    finally:
        keras.config.set_dtype_policy(policy)
    sgd, again = model.optimizer.inner_optimizer, loaded.optimizer.inner_optimizer
    assert max(np.abs(velocity).max() for velocity in sgd.velocities) > 0
    for velocity, other in zip(sgd.velocities, again.velocities, strict=True):
        np.testing.assert_array_equal(velocity, other)


def test_after_a_wrong_layer_the_optimizer_can_be_built_again():
    variables = compile_model().trainable_variables
    sgd = alexnet_tf.PaperSGD(layer_multipliers={'fc9': 2.0})
    with pytest.raises(ValueError, match='fc9'):
        sgd.build(variables)
    sgd.set_multipliers(layer_multipliers={'fc8': 2.0})
    sgd.build(variables)
    assert len(sgd.velocities) == len(variables)
