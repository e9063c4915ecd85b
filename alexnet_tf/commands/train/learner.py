"""What learns: a network, its optimizer and the step that joins them."""

import pathlib
from collections.abc import Sequence

import keras

from alexnet_tf.config import schema
from alexnet_tf.models import placement, recipes
from alexnet_tf.models.weights import caffe, files
from alexnet_tf.runs import run as runs
from alexnet_tf.training import checkpoint, distribution, loss_scale, optimizer, schedule, steps
from alexnet_tf.training import state as states
from input_pipeline.batches import augmentation


def copies_of(config: schema.Config) -> distribution.One:
    """The copies of the network that a config asks for, made before TensorFlow does anything.

    Raises:
        UsageError: Devices or hosts that are not there.
    """
    devices = config.network.devices
    placement.provide(devices)
    if config.network.strategy != 'multi_worker':
        runs.check_devices(devices)
    try:
        return distribution.make(config.network.strategy, devices)
    except ValueError as error:
        raise schema.UsageError(str(error)) from error


class Learner:
    """Everything of a run that changes with each batch.

    Args:
        config: Of the command.
        numbers: Its recipe.
        classes: Of the data, in label order.
        augment: Of its pictures.
        copies: From `copies_of`.

    Attributes:
        model: images -> logits.
        scale: Of float16's loss, or None.
        step: See `steps.training_step`.
    """

    def __init__(
        self,
        config: schema.Config,
        numbers: recipes.Recipe,
        classes: Sequence[str],
        augment: augmentation.Augmentation,
        copies: distribution.One,
    ):
        self._config, self._recipe, self._classes = config, numbers, tuple(classes)
        with copies.scope():
            self.model = runs.build_model(
                config,
                numbers,
                len(classes),
                devices=() if copies.number > 1 else config.network.devices,
                compiled=True,
            )
            self._sgd = optimizer.PaperSGD(
                self.model.trainable_variables,
                momentum=numbers.momentum,
                decay=numbers.weight_decay,
                layer_decays=numbers.layer_decays(),
            )
            half = config.network.precision == 'float16'
            self.scale = loss_scale.LossScale() if half else None
        later = config.input.augment_on == 'accelerator'
        self.step = steps.training_step(
            self.model,
            self._sgd,
            self.scale,
            augment.finish_on_device if later else None,
            parts=config.training.accumulate_steps,
            copies=copies,
        )
        self._check_layer_rates()

    def variables(self) -> list[keras.Variable]:
        """Weights, velocities, loss scale, and the state of the dropout masks' generators."""
        scale = self.scale.variables if self.scale else []
        return [*self.model.variables, *self._sgd.velocities, *scale]

    def rate(self, state: states.State) -> float | None:
        """The learning rate of the next epoch; None when training is over."""
        numbers, asked, done = self._recipe, self._config.training, state.epoch
        if done >= numbers.epochs:
            return None
        if state.train_error is not None and state.train_error <= asked.stop_train_error:
            return None
        if numbers.schedule == 'list':
            return schedule.listed(numbers.learning_rate, numbers.drop_epochs, done)
        if numbers.schedule == 'geometric':
            return schedule.geometric(numbers.learning_rate, done, numbers.epochs)
        errors = state.validation_errors
        return schedule.plateau(numbers.learning_rate, errors, asked.patience_epochs)

    def set_rates(self, rate: float, done: int) -> None:
        """Sets every variable's rate for the epoch after `done`."""
        numbers, biases = self._recipe, self._recipe.bias_rate_multiplier
        if numbers.schedule == 'geometric':
            biases = schedule.geometric_biases(biases, done, numbers.epochs)
        layers = schedule.layer_multipliers(numbers.layer_rates, done)
        self._sgd.set_rate(rate, bias_multiplier=biases, layer_multipliers=layers)

    def take_weights(self) -> list[str]:
        """Takes other weights than the drawn ones, if some are named; says which.

        Raises:
            UsageError: Their kind cannot be read here.
            DataError: They do not fit.
        """
        named, wanted = self._config.training.init_weights, self._config.training.init_layers
        if not named:
            return []
        file, names = pathlib.Path(named), caffe.layer_names(self.model)
        if unknown := sorted(set(wanted or ()) - set(names)):
            raise schema.UsageError(
                f'--init_layers={",".join(unknown)}: this network has {", ".join(names)}.'
            )
        if file.is_dir():
            which = self._config.evaluation.checkpoint
            path = runs.checkpoint_in(file, which, '--init_weights')
            if wanted is None and runs.classes_of(file) != self._classes:
                wanted = names[:-1]
            file = path / checkpoint.VARIABLES
        elif file.suffix not in files.SUFFIXES:
            raise schema.UsageError(
                f'--init_weights={named}: expected the directory of a run, or a file that ends in '
                f'{", ".join(files.SUFFIXES)}.'
            )
        try:
            weights = files.read(file, names)
        except ImportError as error:
            raise schema.UsageError(str(error)) from error
        fresh = self._config.training.init_missing == 'fresh'
        taken, left = caffe.assign(
            self.model, weights, missing_fresh=fresh, file=file, wanted=wanted or ()
        )
        said = [f'train: begins with {file}: {", ".join(taken)}']
        return said + ([f'train: begins afresh: {", ".join(left)}'] if left else [])

    def _check_layer_rates(self) -> None:
        layers = caffe.layer_names(self.model)
        for each in self._recipe.layer_rates:
            if each.partition('=')[0] not in layers:
                raise schema.UsageError(
                    f'--layer_rates={each}: this network has no such layer, but '
                    f'{", ".join(layers)}.'
                )
