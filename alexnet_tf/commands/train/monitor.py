"""What a training run shows: lines on the screen, `summary.csv` and TensorBoard."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Mapping

import keras
import tensorflow as tf

from alexnet_tf.config import schema, serialization
from alexnet_tf.models import placement, recipes, topology
from alexnet_tf.plots import kernels
from alexnet_tf.reports import progress, tables, tensorboard
from alexnet_tf.runs import run_directory
from alexnet_tf.training import distribution, evaluator, health, schedule, steps
from alexnet_tf.training import state as state_lib
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

# Prefixes of the tags that are written at the end of an epoch.
_EPOCH_TAGS = ('epoch_', 'dead_units/', 'conv1_kernels')


class Monitor:
    """Reports on one training run. Only the chief worker writes files.

    Args:
        config: Settings of the command.
        recipe: Hyperparameters of the run.
        model: The network.
        manifest: Manifest of the records.
        stream: Training examples of this worker.
        replicas: Replicas of the network.
    """

    def __init__(
        self,
        config: schema.Config,
        recipe: recipes.Recipe,
        *,
        model: keras.Model,
        manifest: manifests.Manifest,
        stream: datasets.TrainingDataset,
        replicas: distribution.SingleReplica,
    ):
        self._config, self._recipe, self._model, self._replicas = config, recipe, model, replicas
        self._manifest, self._num_classes = manifest, len(manifest.classes)
        self._examples = stream.num_examples
        directory = pathlib.Path(config.run_dir)
        self._summary = directory / run_directory.SUMMARY_FILE
        log_dir = directory / 'tensorboard' if replicas.is_chief else None
        self._board = tensorboard.SummaryWriter(log_dir)
        self._progress = progress.Progress()
        self._has_warned = False  # of chance level
        self._compute_weight_squares = tf.function(self._sum_weight_squares, autograph=False)

    def log(self, line: str) -> None:
        """Prints a line on standard output; with several workers it names this one."""
        self._progress.clear()
        workers, worker = self._replicas.workers, self._replicas.worker
        print(line if workers == 1 else f'[{worker + 1}/{workers}] {line}', flush=True)

    def log_start(self) -> None:
        """Logs what is trained, on what, and where."""
        network, replicas = self._config.network, self._replicas
        devices = network.devices or [placement.get_default_device()]
        if placement.is_emulated(network.precision, devices):
            self.log(f'train: warning: {health.precision_warning(network.precision)}')
        if warning := health.describe_late_drops(self._recipe):
            self.log(f'train: warning: {warning}')
        if note := health.describe_inherited_epochs(self._recipe):
            self.log(f'train: {note}')
        where = ', '.join(devices)
        if replicas.number > 1:
            kind = 'GPUs' if 'GPU' in devices[0].upper() else 'CPUs'
            where = f'{replicas.number} replicas of {replicas.workers} workers, on {kind}'
        parameters = f'{self._model.count_params():,} parameters'
        self.log(f'train: recipe {self._recipe.name}, {parameters}, on {where}')
        if replicas.workers > 1:
            size = tf.as_dtype(network.reduce_precision).size
            variables = self._model.trainable_variables
            summed = size * sum(math.prod(variable.shape) for variable in variables)
            sent = 2 * summed * (replicas.number - 1) / replicas.number  # by a ring
            self.log(
                f'train: a step sums {summed / 1e6:,.1f} MB of gradients; in a ring, each worker '
                f'sends {sent / 1e6:,.1f} MB'
            )
        images = self._manifest.count_examples(manifests.TRAIN)
        self.log(f'train: {images:,} images of {self._num_classes} classes')
        if replicas.workers > 1 and self._config.training.lanes == 1 and replicas.is_chief:
            self.log(
                'train: each worker reads all records. In a new run, --lanes=N lets each read only '
                f'its share; N is a multiple of {replicas.workers} that divides the batch size.'
            )

    def log_bytes_read(self, number: int) -> None:
        """Logs the bytes of records that this worker read, with several workers or lanes."""
        if number and (self._replicas.workers > 1 or self._config.training.lanes > 1):
            self.log(f'train: read {number:,} bytes of training records')

    def rewind(self, state: state_lib.TrainingState | None) -> None:
        """Removes reports on training after a state; None removes all.

        Training on from that state gives the same reports again, to the bit.
        """
        if self._replicas.is_chief:
            epochs, step = (state.epoch, state.step) if state else (0, None)
            tables.drop_rows(self._summary, 'epoch', lambda epoch: int(epoch) > epochs)
            self._board.rewind(step, _EPOCH_TAGS if state and state.examples else ())

    def write_start(self) -> None:
        """Writes the settings of a new run, and its initial kernels, to TensorBoard."""
        settings, recipe = serialization.to_settings(self._config), dataclasses.asdict(self._recipe)
        settings |= {name: recipe[name] for name in settings.keys() & recipe}
        self._board.write_hyperparameters(settings)
        self.write_kernels(0)

    def log_step(
        self,
        state: state_lib.TrainingState,
        learning_rate: float,
        result: steps.StepResult | None,
        meter: progress.Meter,
    ) -> None:
        """Shows progress, and writes scalars every `--log_every_steps` steps.

        Args:
            state: State after the step.
            learning_rate: Learning rate of the step.
            result: Result of the step; None if its batch was passed over.
            meter: Meter of the epoch.
        """
        if not self._replicas.is_chief:
            return
        if self._progress.is_due:
            self._progress.show(self._describe_progress(state, meter))
        if state.step % self._config.training.log_every_steps == 0:
            self._write_scalars(state, learning_rate, result, meter)

    def show_validation(self, done: int, total: int) -> None:
        """Shows how far a validation has come."""
        if self._replicas.is_chief and self._progress.is_due:
            self._progress.show(f'validation  {done:,}/{total:,} images')

    def compute_norms(self, result: steps.StepResult) -> dict[str, float]:
        """Computes, by layer, the Euclidean norms of gradients and weights, over both columns."""
        pairs = zip(result.squares.numpy(), self._compute_weight_squares().numpy(), strict=True)
        sums: dict[str, float] = {}
        for variable, halves in zip(self._model.trainable_variables, pairs, strict=True):
            layer = topology.get_layer_name(variable)
            for kind, half in zip(('gradient', 'weight'), halves, strict=True):
                name = f'{kind}_norm/{layer}'
                sums[name] = sums.get(name, 0.0) + 2 * float(half)
        return {name: value**0.5 for name, value in sums.items()}

    def log_epoch(
        self,
        state: state_lib.TrainingState,
        learning_rate: float,
        *,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        images_per_sec: float | None,
    ) -> None:
        """Reports on an epoch: a line, a row of `summary.csv`, and scalars.

        Args:
            state: At the end of the epoch.
            learning_rate: Of the epoch's last step.
            train: Metrics in training, with augmentation and dropout.
            validation: Metrics on the validation split, single-crop.
            images_per_sec: Speed of training; None if too little of the epoch was measured.
        """
        if not self._replicas.is_chief:
            return
        row = {'epoch': state.epoch, 'step': state.step, 'learning_rate': learning_rate}
        row |= {f'train_{name}': value for name, value in train.items()}
        row |= {f'validation_{name}': value for name, value in validation.items()}
        tables.append_csv(self._summary, row | {'images_per_sec': images_per_sec or ''})
        for split, metrics in (('train', train), ('validation', validation)):
            scalars = {f'epoch_{name}': value for name, value in metrics.items()}
            self._board.write_scalars(split, scalars, state.step)
        self.write_kernels(state.step)
        shown = [
            f'{split} accuracy {tables.format_accuracy(metrics["top1_error"])}, '
            f'loss {metrics["loss"]:.3f}'
            for split, metrics in (('validation', validation), ('training', train))
        ]
        speed = f'  {images_per_sec:,.0f} images/s' if images_per_sec else ''
        self.log(f'epoch {state.epoch}/{self._recipe.epochs}  {"  ".join(shown)}{speed}')

    def log_health(
        self, state: state_lib.TrainingState, loss: float, evaluation: evaluator.Evaluation
    ) -> None:
        """Writes the share of dead units by layer; warns once if nothing has been learned."""
        if not self._replicas.is_chief:
            return
        if left_out := evaluation.left_out:
            self.log(f'train: {left_out:,} validation images could not be read and were left out')
        dead_units = evaluation.dead_units
        scalars = {f'dead_units/{layer}': share for layer, share in dead_units.items()}
        self._board.write_scalars('validation', scalars, state.step)
        recipe, accuracy = self._recipe, 1 - state.validation_error
        is_early = health.is_early(state.epoch, state.step, recipe.epochs)
        if is_early or self._has_warned or evaluation.left_out:  # whose labels may be lost, too
            return
        if not self._chance.is_reached(loss, accuracy):
            return
        has_other_initials = recipe.layers or recipe.he_initialization
        warning = health.describe_chance_level(
            state.step,
            loss,
            accuracy=accuracy,
            chance=self._chance,
            steps_in_all=schedule.count_steps(recipe, self._examples),
            initial_sd_middle=None if has_other_initials else recipe.initial_sd_middle,
            dead_units=dead_units,
        )
        self.log(f'train: warning: {warning}')
        self._has_warned = True

    @functools.cached_property
    def _chance(self) -> health.Chance:
        shards = self._manifest.list_shards(manifests.VALIDATION)
        labels = checking.read_labels(shards, self._manifest.layout)
        return health.Chance.from_labels(labels, self._num_classes)

    def log_end(self, state: state_lib.TrainingState) -> None:
        """Logs the result of the run, and where it is."""
        accuracy = tables.format_accuracy(state.validation_error)
        done = f'{state.epoch} epochs, {state.step:,} steps'
        self.log(f'train: done, {done}, validation accuracy {accuracy}')
        self.log(f'train: the run is in {self._config.run_dir}')

    def write_kernels(self, step: int) -> None:
        """Writes the first layer's kernels to TensorBoard as an image."""
        if self._replicas.is_chief:
            image = kernels.render_first_layer(self._model)
            self._board.write_image('train', 'conv1_kernels', image, step)
            self._board.flush()

    def update_profile(self, step: int) -> None:
        """Starts or stops the profile of `--profile_steps` before a step, counted from 1."""
        first, last = self._config.training.profile_steps or (None, None)
        if step == first:
            self._board.start_profile('train')
        if last is not None and step == last + 1:
            self._board.stop_profile()

    def flush(self) -> None:
        """Writes to the disk whatever is still in memory."""
        self._board.flush()

    def close(self) -> None:
        """Stops a profile whose last step did not come, and ends the progress line."""
        self._board.stop_profile()
        self._progress.close()

    def _describe_progress(self, state: state_lib.TrainingState, meter: progress.Meter) -> str:
        means, epochs = state.compute_means(), self._recipe.epochs
        steps_left = schedule.count_steps(self._recipe, self._examples) - state.planned_step
        left = (epochs - state.epoch) * self._examples - state.examples
        left = min(left, steps_left * self._recipe.batch_size)  # an epoch's last batch is shorter
        return (
            f'epoch {state.epoch + 1}/{epochs}  {100 * state.examples / self._examples:.0f} %  '
            f'loss {means["loss"]:.3f}  accuracy {tables.format_accuracy(means["top1_error"])}  '
            f'{meter.images_per_sec:,.0f} images/s  '
            f'{progress.format_duration(left / meter.images_per_sec)} left'
        )

    def _write_scalars(self, state, learning_rate: float, result, meter: progress.Meter) -> None:
        scalars = state.compute_means() | {
            'images_per_sec': meter.images_per_sec,
            'input_wait_share': meter.wait_share,
            'learning_rate': learning_rate,
        }
        if self._config.network.precision == 'float16':
            scalars['float16_overflows'] = float(state.overflows)
        if result:
            scalars |= self.compute_norms(result)
        self._board.write_scalars('train', scalars, state.step)

    def _sum_weight_squares(self) -> tf.Tensor:
        halves = []
        for variable in self._model.trainable_variables:
            with tf.device(variable.value.device):
                halves.append(tf.nn.l2_loss(variable.value))
        return tf.stack(halves)
