"""Records -> a trained network. The same command goes on where an earlier one stopped."""

import contextlib
import dataclasses
import json
import math
import pathlib
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.train import learner, monitor
from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from alexnet_tf.runs import creation, training_data
from alexnet_tf.runs import run as runs
from alexnet_tf.training import checkpoint, dead_units, evaluator, signals
from alexnet_tf.training import state as states
from input_pipeline import errors, files, locks
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

_MOST_ROLLBACKS = 3


def run(config: schema.Config) -> None:
    """Trains until the schedule says that it is over."""
    trainer = Trainer(config)
    with (
        trainer.alone(),
        signals.stop_requests() as stop,
        signals.workers_lost(trainer.copies),
        contextlib.closing(trainer.watch),
    ):
        trainer.resume()
        while (rate := trainer.rate()) is not None:
            trainer.epoch(rate, stop)
            if number := trainer.asked_to_stop(stop):
                trainer.stopped(number)
        state = trainer.state
        trainer.watch.say(f'train: done, {state.epoch} epochs, {state.step:,} steps')


class Trainer:
    """The parts of one training run, and its state."""

    def __init__(self, config: schema.Config):
        self.copies = learner.copies_of(config)
        self.config = config
        self.recipe = runs.resolve_recipe(config)
        self.manifest = training_data.load(config)
        training_data.check(config, self.recipe, self.manifest, self.copies.number)
        statistics = manifests.statistics(self.manifest)
        self._mean_image = statistics['mean_image']
        self.augment = runs.augmentation(statistics, self.recipe)
        self.learner = learner.Learner(
            config, self.recipe, self.manifest.classes, self.augment, self.copies
        )
        self.directory = pathlib.Path(config.run_dir)
        model, classes = self.learner.model, len(self.manifest.classes)
        self.watch = monitor.Watch(self.directory, config, self.recipe, model, classes, self.copies)
        self.scorer = evaluator.Scorer(
            model,
            self._mean_image,
            crop_size=self.recipe.crop_size,
            views=1,
            batch_size=config.evaluation.eval_batch_size,
            copies=self.copies,
            watched=dead_units.Units(model),
        )
        self.total = self.manifest.examples(manifests.TRAIN)
        self.state, self.batches, self.saved = states.State(), None, time.monotonic()
        self._found, self._stop, self._outcome = None, None, None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Refuses a second trainer on the same directory."""
        if not self.copies.chief:
            yield
            return
        there = self.directory.exists()
        try:
            with locks.held(self.directory):
                yield
        finally:
            left = list(self.directory.glob('*'))
            if not there and [path.name for path in left] == [locks.NAME]:
                left[0].unlink()  # it could not begin
                self.directory.rmdir()

    def resume(self) -> None:
        """Takes up the newest whole checkpoint, if there is one, and opens the stream there."""
        self._find()
        said = [] if self._found else self.learner.take_weights()
        if self.copies.chief:
            creation.begin(self.config, self.manifest, self._mean_image)
        if self._found:
            self._restore()
            self.watch.say(f'train: goes on from {self._found}')
        else:
            self.watch.rewind(None)
            self.watch.begin()
        for line in said:
            self.watch.say(line)
        self.watch.greet(self.total)
        if self.config.training.on_nonfinite == 'rollback' and not self._found:
            self.save()  # something to go back to
        self._open()

    def _find(self) -> None:
        """Looks for the newest checkpoint; all workers must find the same, and be of one mind."""
        self._found = checkpoint.load_newest(self.directory / 'checkpoints')
        if self.copies.workers > 1:
            ours = creation.identity(self.config, self.manifest, self._found)
            signals.check_agreed(self.copies, ours)

    def _restore(self) -> None:
        checkpoint.restore(self._found, self.learner.variables())
        self.state, self._outcome = states.State(**checkpoint.read_state(self._found)), None
        if self.config.input.data_service:
            self.state.begin_epoch()  # it knows no place inside an epoch
        # Epochs after the checkpoint are trained again, to the same bits.
        self.watch.rewind(self.state)

    def _open(self) -> None:
        """The batches from here on."""
        if self.state.epoch < self.recipe.epochs:
            self.batches = training_data.batches(
                self.config,
                self._stream(),
                (self.state.epoch, self.state.examples),
                self.recipe.epochs,
                cancelled=lambda: bool(self._stop),
            )

    def _stream(self, share: tuple[int, int] | None = None) -> datasets.Training:
        share = share or (self.copies.worker, self.copies.workers)
        return training_data.of(self.config, self.recipe, self.manifest, self.augment, share)

    def rate(self) -> float | None:
        """The learning rate of the next epoch; None when there is none."""
        return self.learner.rate(self.state)

    def epoch(self, rate: float, stop: signals.StopRequest) -> None:
        """Trains to the end of an epoch and validates, or to the step where `stop` is asked."""
        self.learner.set_rates(rate, self.state.epoch)
        meter, self._stop = progress.Meter(), stop
        while self.state.examples < self.total:
            number = self._one_step(meter, rate)
            if not number:
                return
            meter.add(number)
            if self.state.step % self.config.training.log_every_steps == 0:
                self.watch.progress(self.state, rate, self._outcome, meter, self.total)
            if self.asked_to_stop(stop):
                return
            if time.monotonic() - self.saved > self.config.training.checkpoint_secs:
                self.save()
        self._end_epoch(meter, rate)

    def asked_to_stop(self, stop: signals.StopRequest) -> int | None:
        """The signal that asks one of the workers to stop; all of them agree on it."""
        if self.copies.workers == 1:
            return stop.number if stop else None
        return signals.agreed(self.copies, stop)

    def stopped(self, number: int) -> None:
        """Saves, unless an epoch has just ended and is saved as such, and stops."""
        if self.state.examples or not self.state.epoch:
            self.save()
        raise signals.Stopped(number)

    def _one_step(self, meter, rate: float) -> int:
        """One update; the number of examples in it, 0 where there is another place to go on from.

        That is where it was asked to stop waiting, and where it went back to a checkpoint.
        """
        with meter.waiting(), signals.patience(self.watch.say, self.config.input.data_service):
            batch = next(self.batches, None)
        if batch is None and self._stop:
            return 0
        state = self.state
        number = min(self.recipe.batch_size, self.total - state.examples)
        self._outcome = None
        if [state.epoch, state.examples] not in state.passed_over:
            self.watch.profile(state.step + 1)
            images, labels, mask = batch
            self._outcome = self.learner.step(images, labels, mask, tf.constant(state.step))
            if not self._outcome.finite.numpy() and not self._overflowed():
                return self._not_finite(number, rate)
            if self._outcome.finite.numpy():
                self._count(number, mask)
        state.examples += number
        state.step += 1
        training_data.check_readable(self.config, self.manifest, state.unreadable)
        return number

    def _count(self, number: int, mask) -> None:
        """Adds the step's metrics to the epoch's."""
        (there,) = self.copies.total([float(mask.numpy().sum())])
        self.state.unreadable += number - int(there)
        values = np.array(self._outcome.metrics.numpy(), float)
        self.state.sums = (np.array(self.state.sums) + int(there) * values).tolist()
        self.state.counted += int(there)

    def _overflowed(self) -> bool:
        """Whether it is only float16 that was too narrow; such a step is left out."""
        if self._outcome.scale.numpy() <= 1:
            return False
        self.state.overflows += 1
        return True

    def _not_finite(self, number: int, rate: float) -> int:
        """Goes back to the newest checkpoint, if that is wanted, or stops."""
        state, passed_over = self.state, self.state.passed_over
        file = self.directory / 'nonfinite.json'
        if self.copies.chief:
            found = self._diagnosis(number, rate)
            files.write_atomically(file, json.dumps(found, indent=2).encode())
        again = self.config.training.on_nonfinite == 'rollback'
        if not again or len(passed_over) >= _MOST_ROLLBACKS:
            raise signals.NotFinite(state.step, state.epoch, rate, str(file))
        passed_over = [*passed_over, [state.epoch, state.examples]]
        self._find()
        self._restore()
        self.state.passed_over = passed_over
        self.watch.say(
            f'train: warning: step {state.step:,} gave a loss or gradient that is no number '
            f'({file}); goes back to {self._found} and passes over that batch'
        )
        self._open()
        return 0

    def _diagnosis(self, number: int, rate: float) -> dict:
        """What is known of a step whose loss or gradient is no number."""
        state, examples = self.state, None
        if not self.config.input.data_service:
            whole = self._stream((0, 1))
            chunks = whole.chunks(start=(state.epoch, state.examples), epochs=state.epoch + 1)
            examples = checking.names(whole.shards, chunks, number)
        return {
            'step': state.step,
            'epoch': state.epoch,
            'learning_rate': rate,
            'loss': str(self._outcome.metrics.numpy()[0]),
            'norms': {k: str(v) for k, v in self.watch.norms(self._outcome).items()},
            'examples': examples,
        }

    def _end_epoch(self, meter, rate: float) -> None:
        state, train = self.state, self.state.means()
        # Of a part of an epoch, tracing would be most of it.
        speed = meter.rate() if meter.examples > self.total / 2 else None
        scores = self._scores()
        if math.isnan(scores['loss']):
            raise signals.Diverged(state.step, state.epoch, rate)
        if state.unreadable:
            self.watch.say(
                f'train: {state.unreadable:,} records could not be read and were skipped'
            )
        state.end_epoch(train['top1_error'], scores['top1_error'])
        self.watch.chance(state, train['loss'], self.scorer.dead_units)
        self.watch.epoch(state, rate, train, scores, speed)
        self.save(ends_epoch=True)

    def _scores(self) -> dict[str, float]:
        try:
            return self.scorer(self.manifest, manifests.VALIDATION)
        except errors.DataError:
            self.save()  # what is learned is not lost with the validation records
            raise

    def save(self, *, ends_epoch: bool = False) -> None:
        """Writes a checkpoint of this moment."""
        self.saved = time.monotonic()
        if not self.copies.chief:
            return
        directory = self.directory / 'checkpoints'
        directory.mkdir(exist_ok=True)
        state = dataclasses.replace(self.state)
        if self.config.input.data_service:
            state.begin_epoch()  # which examples were seen is not known where the order is not
        self.watch.board.flush()
        checkpoint.save(
            directory,
            self.learner.variables(),
            dataclasses.asdict(state),
            ends_epoch=ends_epoch,
            keep_every_epochs=self.config.training.keep_every_epochs,
        )
        self.saved = time.monotonic()
