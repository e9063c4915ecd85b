"""What a config builds: recipe, replicas, network and learner."""

import numpy as np
import pytest

from alexnet_tf.config import fields, flags, serialization
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.runs import build
from alexnet_tf.training import lars, loss_scale, optimizer, steps, targets
from input_pipeline.records import manifests

TINY = ('--recipe=source2012', '--width=0.05', '--crop_size=67', '--batch_size=2')


def parse(*arguments):
    return flags.parse(['alexnet_tf', '--mode=train', *TINY, *arguments])


def test_flags_override_the_hyperparameters_of_the_recipe():
    recipe = build.resolve_recipe(parse('--momentum=0.5', '--drop_epochs=3,7', '--schedule=list'))
    assert (recipe.name, recipe.momentum, recipe.drop_epochs) == ('source2012', 0.5, (3, 7))
    assert recipe.crop_size == 67
    assert build.resolve_recipe(parse()).momentum == 0.9


@pytest.mark.parametrize('precision', ['float32', pytest.param('float16', marks=pytest.mark.slow)])
def test_a_learner_trains_its_network_and_lists_all_variables(precision):
    config = flags.parse(['a', '--mode=train', '--recipe=figure1', f'--precision={precision}'])
    recipe = build.resolve_recipe(config)
    replicas = build.create_replicas(config)
    learner = build.build_learner(config, recipe, 3, replicas=replicas)
    learner.optimizer.learning_rate = 0.01
    before = learner.model.get_weights()
    images = np.random.default_rng(0).normal(0, 60, (2, 32, 32, 3)).astype(np.float32)
    labels, mask = np.array([0, 2]), np.ones(2, np.float32)
    for step in range(2):
        assert learner.step(images, labels, mask, step).metrics.shape == (3,)
    pairs = zip(before, learner.model.get_weights(), strict=True)
    assert any(np.abs(new - old).max() > 0 for old, new in pairs)
    names = {variable.path for variable in learner.variables}
    assert names >= {variable.path for variable in learner.model.variables}
    assert 'conv1_a_kernel_velocity' in names
    assert isinstance(learner.loss_scale, loss_scale.LossScale) == (precision == 'float16')
    assert ('loss_scale' in names) == (precision == 'float16')


def test_the_optimizer_is_the_recipes():
    """By type and arguments, on the smallest network."""
    options = ('--recipe=figure1', '--momentum=0.8', '--weight_decay=0.002')
    for flag, kind in (('sgd', optimizer.PaperSGD), ('lars', lars.LARS)):
        config = flags.parse(['a', '--mode=train', *options, f'--optimizer={flag}'])
        recipe = build.resolve_recipe(config).replace(trust_coefficient=0.02)
        replicas = build.create_replicas(config)
        created = build.build_learner(config, recipe, 3, replicas=replicas).optimizer
        assert type(created) is kind
        assert (created.momentum, created.weight_decay) == (0.8, 0.002)
        assert created.get_config().get('trust_coefficient', 0.02) == 0.02


def test_old_flags_and_run_directories_order_the_layers_after_conv1():
    """The former lrn1_before_pool, as a flag and as config.json keeps it."""
    orders = {
        order: build.resolve_recipe(parse(f'--recipe={name}', f'--{flag}lrn1_before_pool'))
        for name, flag, order in (
            ('paper', '', 'norm_pool_relu'),
            ('source2012', 'no', 'relu_norm_pool'),
        )
    }
    assert [recipe.conv1_order for recipe in orders.values()] == list(orders)
    stored = serialization.to_settings(parse()) | {'lrn1_before_pool': None}
    recipe = build.resolve_recipe(serialization.from_settings(stored))
    assert recipe.conv1_order == 'norm_pool_relu'  # the recipe's


@pytest.mark.parametrize(
    ('flag', 'expected'),
    [
        ('--filters=1,2', '5 numbers'),
        ('--input_sd=1,2', '3 numbers'),
        ('--input_mean=7', '3 numbers'),
        ('--conv1_order=pool', 'relu, norm and pool'),
    ],
)
def test_hyperparameters_of_other_parts_are_refused(flag, expected):
    with pytest.raises(fields.UsageError, match=f'{flag}: expected {expected}'):
        build.resolve_recipe(parse(flag))


def test_a_recipes_mean_colour_is_subtracted_in_training_and_evaluation():
    """By hand: torchvision's means are (.485, .456, .406) of 255."""
    recipe = recipes.TORCHVISION.replace(
        crop_size=67, min_crop_area=0.0, random_crops=False, colour_shift_sd=0.0
    )
    statistics = manifests.ImageStatistics(
        mean_image=np.full((80, 80, 3), 99, np.float32),
        covariance=np.eye(3),
        eigenvalues=np.ones(3),
        eigenvectors=np.eye(3),
    )
    squares = np.full((1, 80, 80, 3), 255, np.uint8)
    expected = np.broadcast_to([255 * 0.515, 255 * 0.544, 255 * 0.594], (1, 67, 67, 3))
    evaluated = build.build_preprocessing(statistics.mean_image, recipe).make_views(squares, 1)
    np.testing.assert_allclose(evaluated, expected, rtol=1e-5)
    augment = build.build_augmentation(statistics, recipe)
    shifts, scales = np.zeros((1, 3), np.float32), np.ones(1, np.float32)
    trained = augment.finish(squares[:, :67, :67], shifts, scales)
    np.testing.assert_allclose(trained, expected, rtol=1e-5)


def test_a_device_that_does_not_exist_is_refused():
    with pytest.raises(fields.UsageError, match='/GPU:7'):
        build.create_replicas(parse('--devices=/GPU:7'))


def test_learning_rates_of_layers_that_do_not_exist_are_refused():
    config = parse('--layer_rates=fc8=10,conv6=0.1')
    recipe = build.resolve_recipe(config)
    model = build.build_model(config, recipe, 3, devices=(), compiled=False)
    with pytest.raises(fields.UsageError, match=r'--layer_rates=conv6=0\.1: .* conv1, conv2'):
        build.check_layer_rates(recipe, model)


def test_the_step_gets_the_recipes_targets_and_the_weights_of_the_classes(monkeypatch):
    calls = []
    monkeypatch.setattr(steps, 'create_training_step', lambda *_, **options: calls.append(options))
    settings = ('--recipe=figure1', '--label_smoothing=0.2', '--cutmix=0.3', '--seed=7')
    config = flags.parse(['alexnet_tf', '--mode=train', *settings])
    recipe, replicas = build.resolve_recipe(config), build.create_replicas(config)
    build.build_learner(config, recipe, 3, replicas=replicas, class_weights=(1, 2, 3))
    expected = targets.Targets(label_smoothing=0.2, cutmix=0.3, seed=7, class_weights=(1, 2, 3))
    assert calls[0]['targets'] == expected


def test_the_seed_of_the_command_decides_the_initial_weights():
    config = flags.parse(['alexnet_tf', '--mode=train', '--recipe=figure1', '--seed=3'])
    recipe = build.resolve_recipe(config)
    model = build.build_model(config, recipe, 3, devices=(), compiled=False)
    same, other = (
        alexnet.build(recipe, num_classes=3, seed=seed).get_layer('conv2_a').kernel.numpy()
        for seed in (3, 0)
    )
    np.testing.assert_array_equal(model.get_layer('conv2_a').kernel, same)
    assert not np.array_equal(same, other)


def test_training_crops_have_a_size_of_their_own():
    mean = np.full((256, 256, 3), 99, np.float32)
    statistics = manifests.ImageStatistics(mean, np.eye(3), np.ones(3), np.eye(3))
    assert build.build_augmentation(statistics, recipes.MODERN).crop_size == 128
    preprocess = build.build_preprocessing(mean, recipes.MODERN)
    assert preprocess.make_views(np.zeros((1, 256, 256, 3), np.uint8), 1).shape == (1, 160, 160, 3)


def test_nesterov_and_the_decays_of_layers_are_the_recipes():
    sgd = build.create_optimizer(recipes.CIFAR11.replace(nesterov=True))
    assert sgd.nesterov
    assert sgd.layer_decays == {'conv1': 0, 'conv2': 0, 'local3': 1, 'local4': 1, 'fc5': 2.5}
    assert not build.create_optimizer(recipes.PAPER).nesterov
