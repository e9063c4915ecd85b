"""Builds what a config describes: recipe, replicas, network, and what trains it."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.models import alexnet, cifar, placement, recipes, topology
from alexnet_tf.runs import network_checks
from alexnet_tf.training import distribution, lars, loss_scale, optimizer, steps, targets
from input_pipeline.batches import augmentation, preprocessing
from input_pipeline.records import manifests

MEAN_IMAGE = 'mean_image'  # name of the layer that subtracts it


@dataclasses.dataclass(frozen=True)
class Learner:
    """A network and what trains it.

    Attributes:
        model: Images (batch, crop, crop, 3) -> logits (batch, classes).
        optimizer: Built on the model's trainable variables.
        loss_scale: For float16, else None.
        step: One update; see `steps.create_training_step`.
    """

    model: keras.Model
    optimizer: optimizer.PaperSGD
    loss_scale: loss_scale.LossScale | None
    step: Callable[..., steps.StepResult]

    @property
    def variables(self) -> list[keras.Variable]:
        """Everything that a checkpoint keeps: weights, random states, velocities, loss scale."""
        scale = self.loss_scale.variables if self.loss_scale else []
        return [*self.model.variables, *self.optimizer.velocities, *scale]


def build_learner(
    config: schema.Config,
    recipe: recipes.Recipe,
    num_classes: int,
    *,
    replicas: distribution.SingleReplica,
    finish_on_device: Callable | None = None,
    class_weights: Sequence[float] = (),
) -> Learner:
    """Builds the network, its optimizer and loss scale, and the training step that joins them.

    Args:
        config: Settings of the command.
        recipe: Hyperparameters of the network and its training.
        num_classes: Number of classes.
        replicas: From `create_replicas`.
        finish_on_device: `Augmentation.finish_on_device` if the training step finishes the
            augmentation, else None.
        class_weights: See `targets.Targets`.

    Raises:
        UsageError: The settings describe no network, or a device does not exist.
    """
    devices = () if replicas.number > 1 else config.network.devices
    with replicas.scope():
        model = build_model(config, recipe, num_classes, devices=devices, compiled=True)
        sgd = create_optimizer(recipe)
        sgd.build(model.trainable_variables)
        scale = loss_scale.LossScale() if config.network.precision == 'float16' else None
    step = steps.create_training_step(
        model,
        sgd,
        scale,
        finish_on_device=finish_on_device,
        accumulate_steps=config.training.accumulate_steps,
        replicas=replicas,
        targets=_build_targets(recipe, config.seed, class_weights),
    )
    return Learner(model, sgd, scale, step)


def create_optimizer(recipe: recipes.Recipe) -> optimizer.PaperSGD:
    """Creates the optimizer of a recipe."""
    create = optimizer.PaperSGD
    if recipe.optimizer == 'lars':
        create = functools.partial(lars.LARS, trust_coefficient=recipe.trust_coefficient)
    return create(
        recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        bias_multiplier=recipe.bias_rate_multiplier,
        layer_decays=recipe.layer_decays(),
    )


def _build_targets(
    recipe: recipes.Recipe, seed: int, class_weights: Sequence[float]
) -> targets.Targets | None:
    if not (recipe.label_smoothing or recipe.cutmix or len(class_weights)):
        return None
    return targets.Targets(recipe.label_smoothing, recipe.cutmix, seed, tuple(class_weights))


def build_model(
    config: schema.Config,
    recipe: recipes.Recipe,
    num_classes: int,
    *,
    devices: tuple[str, ...],
    compiled: bool,
) -> keras.Model:
    """Builds the network that a config asks for.

    Args:
        config: Settings of the command.
        recipe: Hyperparameters of the network.
        num_classes: Number of outputs.
        devices: One for the whole network or one for each column; () for TensorFlow's default.
        compiled: Whether XLA compiles parts of it: faster, but not for export.

    Raises:
        UsageError: The settings describe no network, or a device does not exist.
    """
    with _usage_errors():
        placement.check_devices(devices)
        return alexnet.build(
            recipe,
            num_classes=num_classes,
            devices=devices,
            precision=config.network.precision,
            seed=config.seed,
            compiled=compiled,
        )


def add_predictions(logits: keras.KerasTensor, activation: Any = 'softmax') -> keras.KerasTensor:
    """Adds the layer 'predictions': logits -> probabilities (batch, classes) float32.

    Args:
        logits: (batch, classes).
        activation: See `keras.layers.Activation`.
    """
    return keras.layers.Activation(activation, dtype='float32', name='predictions')(logits)


def resolve_recipe(config: schema.Config) -> recipes.Recipe:
    """Returns the recipe that a config names, with every hyperparameter that a flag overrides.

    Raises:
        UsageError: A flag sets a hyperparameter that the recipe's network does not have, or gives
            it the wrong number of values.
    """
    names = {field.name for field in dataclasses.fields(recipes.Recipe)} | {recipes.FORMER_ORDER}
    settings = serialization.to_settings(config)
    overrides = {
        name: settings[name] for name in names & set(settings) if settings[name] is not None
    }
    recipe = recipes.Recipe.from_name(config.network.recipe)
    if 'crop_size' in overrides:  # also in training, unless that size is given
        recipe = recipe.replace(training_crop_size=0)
    try:
        recipe = recipe.replace(**overrides)
    except ValueError as error:
        raise fields.UsageError(f'--{error}') from error
    network_checks.check_training_size(recipe)
    unused = cifar.list_unused_fields(recipe) | {recipes.FORMER_ORDER} if recipe.layers else set()
    unused = sorted(unused & set(overrides))
    if unused:
        raise fields.UsageError(
            f'--{unused[0]}: the network of --recipe={recipe.name} has no such thing. Leave the '
            'flag out.'
        )
    return recipe


def check_layer_rates(recipe: recipes.Recipe, model: keras.Model) -> None:
    """Checks that `--layer_rates` names layers of the network.

    Raises:
        UsageError: It names another layer.
    """
    layers = topology.list_layer_names(model)
    for layer_rate in recipe.layer_rates:
        if layer_rate.partition('=')[0] not in layers:
            raise fields.UsageError(
                f'--layer_rates={layer_rate}: the network has no such layer. Its layers are '
                f'{", ".join(layers)}.'
            )


def build_augmentation(
    statistics: manifests.ImageStatistics, recipe: recipes.Recipe
) -> augmentation.Augmentation:
    """Builds the training augmentation of a recipe, for images with these statistics."""
    recipe = recipe.resize_for_training()
    names = [field.name for field in dataclasses.fields(augmentation.AugmentationSettings)]
    settings = augmentation.AugmentationSettings(**{name: getattr(recipe, name) for name in names})
    mean_image = choose_mean_image(statistics.mean_image, recipe)
    return augmentation.Augmentation(
        dataclasses.replace(statistics, mean_image=mean_image), settings
    )


def build_preprocessing(
    mean_image: np.ndarray, recipe: recipes.Recipe
) -> preprocessing.Preprocessing:
    """Builds the preprocessing from squares of records to network input, outside of training."""
    mean_image = choose_mean_image(mean_image, recipe)
    return preprocessing.Preprocessing(mean_image, recipe.crop_size, recipe.view_size)


def choose_mean_image(mean_image: np.ndarray, recipe: recipes.Recipe) -> np.ndarray:
    """Returns the recipe's mean colour at every pixel, or the mean image if it has none."""
    if not recipe.input_mean:
        return mean_image
    return np.broadcast_to(np.asarray(recipe.input_mean, np.float32), mean_image.shape)


def create_replicas(config: schema.Config) -> distribution.SingleReplica:
    """Creates the replicas of the network that a config asks for, before TensorFlow runs anything.

    Raises:
        UsageError: A device does not exist, or nothing describes a cluster.
        PeerDisconnected: Other workers did not connect.
    """
    strategy, devices = config.network.strategy, config.network.devices
    placement.create_logical_cpus(devices)
    with _usage_errors():
        if strategy != 'multi_worker':
            placement.check_devices(devices)
        return distribution.create_replicas(
            strategy,
            devices,
            worker_timeout_secs=config.network.worker_timeout_secs,
            collective=config.network.collective,
            reduce_dtype=config.network.reduce_precision,
        )


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """Turns a ValueError about what settings describe into a UsageError."""
    try:
        yield
    except ValueError as error:
        raise fields.UsageError(str(error)) from error
