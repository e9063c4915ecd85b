"""The training loop."""

import contextlib
import copy
import dataclasses
import functools
import math
import pathlib
import time
from collections.abc import Iterator

import tensorflow as tf

from alexnet_tf.commands.train import class_balance, diagnosis, monitor
from alexnet_tf.config import schema
from alexnet_tf.models import recipes
from alexnet_tf.reports import progress
from alexnet_tf.runs import build, creation, run_directory, training_data
from alexnet_tf.training import checkpoint, distribution, evaluator, health, schedule, signals
from alexnet_tf.training import state as state_lib
from alexnet_tf.training import steps as steps_lib
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_MAX_ROLLBACKS = 3
_UNSAVED_SECS = 60.0  # of training that a kill during validation may cost


@dataclasses.dataclass(kw_only=True)
class Trainer:
    """Trains a network from a state on, which it advances.

    Attributes:
        config: Settings of the command.
        recipe: Hyperparameters.
        manifest: Of the records.
        stream: The training examples of this worker.
        balance: How the examples of the classes count.
        learner: The network and what trains it.
        replicas: Of the network, on all workers.
        evaluator: Of the network.
        monitor: Logs, `summary.csv` and TensorBoard.
    """

    config: schema.Config
    recipe: recipes.Recipe
    manifest: manifests.Manifest
    stream: datasets.TrainingDataset
    balance: class_balance.ClassBalance
    learner: build.Learner
    replicas: distribution.SingleReplica
    evaluator: evaluator.Evaluator
    monitor: monitor.Monitor
    _saved_at: float = dataclasses.field(default_factory=time.monotonic, init=False)

    @functools.cached_property
    def examples(self) -> int:
        """Number of training examples, of all workers."""
        return self.stream.num_examples

    @functools.cached_property
    def total_steps(self) -> int:
        """Number of steps of the whole run, at most."""
        return schedule.count_steps(self.recipe, self.examples)

    def train(
        self, state: state_lib.TrainingState, stop: signals.StopRequest
    ) -> state_lib.TrainingState:
        """Trains until the schedule ends.

        Raises:
            Stopped: A signal asked for it; a checkpoint was saved.
            NonFiniteError, DivergedError: See `handle_non_finite` and `end_epoch`.
            DataError: Records cannot be read.
        """
        is_alone = self.replicas.workers == 1  # several agree on a stop, after a step
        reader = training_data.BatchReader(
            self.config, self.stream, self.recipe.epochs, lambda: is_alone and bool(stop)
        )
        while self.compute_learning_rate(state) is not None:
            state = self.train_one_epoch(state, reader, stop)
            if signal_number := distribution.agree_on_stop(self.replicas, stop):
                if not state.is_validated:  # or it has just been saved
                    self.save_checkpoint(state)
                raise signals.Stopped(signal_number, state.step)
        return state

    def compute_learning_rate(self, state: state_lib.TrainingState) -> float | None:
        """Computes the learning rate of the next step; None if training is over."""
        training = self.config.training
        error = math.inf if state.train_error is None else state.train_error
        is_over = state.planned_step >= self.total_steps or state.epoch >= self.recipe.epochs
        is_over |= error <= training.stop_train_error
        is_over |= 0 < training.stop_after_worse_epochs <= state.worse_validations
        if is_over and not state.examples:  # at the end of an epoch only
            return None
        return schedule.compute_learning_rate(
            self.recipe,
            state.validation_errors,
            patience_epochs=training.patience_epochs,
            share_done=(min(state.planned_step, self.total_steps - 1) + 0.5) / self.total_steps,
        )

    def train_one_epoch(
        self,
        state: state_lib.TrainingState,
        reader: training_data.BatchReader,
        stop: signals.StopRequest,
    ) -> state_lib.TrainingState:
        """Trains to the end of the epoch and validates.

        Returns:
            The new state. It is inside the epoch if a signal asked to stop, or after a rollback.
        """
        bias_multiplier, layer_multipliers = schedule.compute_multipliers(self.recipe, state.epoch)
        self.learner.optimizer.set_multipliers(
            bias_multiplier=bias_multiplier, layer_multipliers=layer_multipliers
        )
        meter, address = progress.Meter(), self.config.input.data_service
        while state.examples < self.examples and state.planned_step < self.total_steps:
            learning_rate = self.compute_learning_rate(state)
            self.learner.optimizer.learning_rate = learning_rate
            with meter.measure_waiting(), health.warn_if_input_is_late(self.monitor.log, address):
                batch = reader.read(state.position)
            if batch is None:
                return state  # a signal came while it waited
            result = None if state.is_passed_over else self.train_one_step(state, batch)
            if result and result.is_non_finite:
                return self.handle_non_finite(state, result, learning_rate)
            self.count_batch(state, result, batch, meter)
            self.monitor.log_step(state, learning_rate, result, meter)
            if distribution.agree_on_stop(self.replicas, stop):
                return state
            if time.monotonic() - self._saved_at > self.config.training.checkpoint_secs:
                self.save_checkpoint(state)
        self.end_epoch(state, meter)
        return state

    def train_one_step(self, state: state_lib.TrainingState, batch: tuple) -> steps_lib.StepResult:
        """Trains on one batch."""
        self.monitor.update_profile(state.step + 1)
        images, labels, mask = batch
        return self.learner.step(images, labels, mask, tf.constant(state.step))

    def count_batch(
        self,
        state: state_lib.TrainingState,
        result: steps_lib.StepResult | None,
        batch: tuple,
        meter: progress.Meter,
    ) -> None:
        """Advances the state by one batch.

        Raises:
            DataError: Too many records of this epoch could not be read.
        """
        examples = self._count_examples(state)
        if result and result.finite.numpy():
            (trained,) = self.replicas.sum_over_workers([float(batch[-1].numpy().sum())])
            state.add_metrics(result.metrics.numpy(), int(trained))
            state.unreadable += examples - int(trained)
        elif result:
            state.overflows += 1
        state.examples += examples
        state.step += 1
        meter.add(examples)
        training_data.check_unreadable(self.config, self.manifest, state.unreadable)

    def end_epoch(self, state: state_lib.TrainingState, meter: progress.Meter) -> None:
        """Validates, reports the epoch, and saves it; an epoch without validation is only counted.

        Raises:
            DivergedError: The validation loss is NaN; nothing is saved.
        """
        train = state.compute_means()
        if skipped := state.unreadable:
            self.monitor.log(f'train: {skipped:,} records could not be read and were skipped')
        if not self.is_validation_due(state):
            return state.end_epoch(train['top1_error'], math.nan)
        learning_rate = self.compute_learning_rate(dataclasses.replace(state, step=state.step - 1))
        # In less of an epoch, tracing would take most of the time.
        images_per_sec = meter.images_per_sec if meter.examples > self.examples / 2 else None
        with self._saving(copy.deepcopy(state)):
            evaluation = self.validate()
            if math.isnan(evaluation.metrics['loss']):
                raise health.DivergedError(state.step, state.epoch, learning_rate)
            metrics = {'train': train, 'validation': evaluation.metrics}
            state.end_epoch(train['top1_error'], evaluation.metrics['top1_error'])
            self.monitor.log_health(state, train['loss'], evaluation)
            self.monitor.log_epoch(state, learning_rate, **metrics, images_per_sec=images_per_sec)
        self.save_checkpoint(state, ends_epoch=True)

    def validate(self) -> evaluator.Evaluation:
        """Evaluates the network on the validation split."""
        split, report = manifests.VALIDATION, self.monitor.show_validation
        return self.evaluator.evaluate(self.manifest, split, report=report)

    @contextlib.contextmanager
    def _saving(self, state: state_lib.TrainingState) -> Iterator[None]:
        """Saves a state first if the last save is long ago, and again if the block fails."""
        is_due = time.monotonic() - self._saved_at > _UNSAVED_SECS
        path = self.save_checkpoint(state) if is_due else None
        try:
            yield
        except (OSError, errors.DataError):
            self.save_checkpoint(state)
            raise
        except health.DivergedError:
            if path:
                files.remove_tree(path)
            raise

    def is_validation_due(self, state: state_lib.TrainingState) -> bool:
        """Returns whether validation follows this epoch, as it always follows the last one."""
        training, epoch = self.config.training, state.epoch + 1
        is_learned = state.compute_means()['top1_error'] <= training.stop_train_error
        is_last = state.planned_step >= self.total_steps or epoch >= self.recipe.epochs
        every = (training.validate_every_epochs, training.keep_every_epochs)  # 0: none
        return is_last or is_learned or any(number and epoch % number == 0 for number in every)

    def handle_non_finite(
        self, state: state_lib.TrainingState, result: steps_lib.StepResult, learning_rate: float
    ) -> state_lib.TrainingState:
        """Writes `nonfinite.json`, and rolls back if `--on_nonfinite=rollback`.

        Returns:
            The state of the newest checkpoint, which passes over the batch.

        Raises:
            NonFiniteError: Rolling back is not asked for, or did not help.
        """
        file = diagnosis.locate(self.config)
        if self.replicas.is_chief:
            values = learning_rate, result.metrics.numpy()[0], self.monitor.compute_norms(result)
            number = self._count_examples(state)
            with self.replicas.finish_saving():  # the other workers may have ended
                diagnosis.write(self.config, self.stream, state, *values, batch_size=number)
        is_rollback = self.config.training.on_nonfinite == 'rollback'
        rollbacks = len(state.passed_over) * is_rollback
        if not is_rollback or rollbacks >= _MAX_ROLLBACKS:
            where = state.step, state.epoch, learning_rate
            raise health.NonFiniteError(*where, file=str(file), rollbacks=rollbacks)
        restored = self.restore(newest := self.find_newest_checkpoint())
        restored.passed_over = [*state.passed_over, [*state.position]]
        self.monitor.log(
            f'train: warning: step {state.step:,} gave a loss or gradient that is NaN or inf '
            f'({file}); rolls back to {newest} and skips that batch'
        )
        return restored

    def _count_examples(self, state: state_lib.TrainingState) -> int:
        return min(self.recipe.batch_size, self.examples - state.examples)

    @functools.cached_property
    def _checkpoints(self) -> pathlib.Path:
        return pathlib.Path(self.config.run_dir) / run_directory.CHECKPOINTS

    def find_newest_checkpoint(self) -> pathlib.Path | None:
        """Finds the newest intact checkpoint, the same for all workers; None if there are none.

        Raises:
            DataError: All are corrupt, or the workers were started differently.
        """
        newest = checkpoint.find_newest(self._checkpoints)
        identity = creation.compute_identity(self.config, self.manifest, newest)
        distribution.check_same_everywhere(self.replicas, identity)
        return newest

    def restore(self, path: pathlib.Path) -> state_lib.TrainingState:
        """Restores a checkpoint, and removes later reports."""
        checkpoint.restore(path, self.learner.variables)
        state = state_lib.TrainingState(**checkpoint.read_state(path))
        self._restart_unknown_order(state)
        self.monitor.rewind(state)  # it is trained again, to the same bits
        return state

    def save_checkpoint(
        self, state: state_lib.TrainingState, *, ends_epoch: bool = False
    ) -> pathlib.Path | None:
        """Writes all reports, then saves a checkpoint; the chief returns its path."""
        self.monitor.flush()
        self._saved_at = time.monotonic()
        if not self.replicas.is_chief:
            return None
        self._restart_unknown_order(saved := dataclasses.replace(state))
        with self.replicas.finish_saving():
            return checkpoint.save(
                self._checkpoints,
                self.learner.variables,
                dataclasses.asdict(saved),
                ends_epoch=ends_epoch,
                keep_every_epochs=self.config.training.keep_every_epochs,
            )

    def _restart_unknown_order(self, state: state_lib.TrainingState) -> None:
        is_unfinished = state.examples < self.examples and state.planned_step < self.total_steps
        if is_unfinished and not training_data.is_order_fixed(self.config):
            state.repeated_steps += -(-state.examples // self.recipe.batch_size)
            state.restart_epoch()  # its order is random: which examples were read is unknown
