"""Records -> a trained network. The same command goes on where an earlier one stopped."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence

import keras
import numpy as np

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.network import devices as placement
from alexnet_tf.reporting import kernels, progress, tables, tensorboard
from alexnet_tf.training import (
    bvlc,
    checkpoint,
    guards,
    loss_scale,
    optimizer,
    schedule,
    weight_files,
)
from alexnet_tf.training import state as states
from alexnet_tf.training import step as steps
from alexnet_tf.workflows import evaluate, training_data
from alexnet_tf.workflows import run as runs


def run(config: configs.Config) -> None:
    """Trains until the schedule says that it is over."""
    trainer = Trainer(config)
    trainer.resume()
    with guards.stop_requests() as stop:
        while (rate := trainer.rate()) is not None:
            trainer.epoch(rate, stop)
            if stop:
                trainer.save()
                raise guards.Stopped(stop.number)
    trainer.say(f'train: done, {trainer.state.epoch} epochs, {trainer.state.step:,} steps')


class Trainer:
    """The parts of one training run, and its state."""

    def __init__(self, config: configs.Config):
        placement.provide(config.network.devices)
        self.config = config
        self.recipe = runs.resolve_recipe(config)
        self.manifest = training_data.load(config)
        statistics = input_pipeline.records.statistics(self.manifest)
        self.model = runs.build_model(
            config,
            self.recipe,
            len(self.manifest.classes),
            devices=config.network.devices,
            compiled=True,
        )
        self.sgd = optimizer.PaperSGD(
            self.model.trainable_variables,
            momentum=self.recipe.momentum,
            decay=self.recipe.weight_decay,
        )
        self.scale = loss_scale.LossScale() if config.network.precision == 'float16' else None
        self.augment = runs.augmentation(statistics, self.recipe)
        later = config.input.augment_on == 'accelerator'
        self.step = steps.training_step(
            self.model, self.sgd, self.scale, self.augment.finish_on_device if later else None
        )
        _check_layer_rates(self.recipe.layer_rates, bvlc.layer_names(self.model))
        self._found = checkpoint.load_newest(pathlib.Path(config.run_dir) / 'checkpoints')
        if not self._found:
            self._take_weights()  # before there is a directory that says how the run began
        self.directory = runs.begin(config, self.manifest, statistics['mean_image'])
        self._summary = self.directory / 'summary.csv'
        self.board = tensorboard.Writer(self.directory / 'tensorboard')
        self.scorer = evaluate.Scorer(
            self.model,
            statistics['mean_image'],
            crop_size=self.recipe.crop_size,
            views=1,
            batch_size=config.evaluation.eval_batch_size,
        )
        self.total = self.manifest.examples(input_pipeline.records.TRAIN)
        self.state, self.batches, self.saved = states.State(), None, time.monotonic()
        self._stop = None

    def resume(self) -> None:
        """Takes up the newest whole checkpoint, if there is one, and opens the stream there."""
        if self._found:
            checkpoint.restore(self._found, self.variables())
            self.state = states.State(**checkpoint.read_state(self._found))
            # Epochs after the checkpoint are trained again, to the same bits.
            tables.drop_rows(self._summary, lambda row: int(row['epoch']) > self.state.epoch)
            self.say(f'train: goes on from {self._found}')
        else:
            self._draw_kernels()
        self._greet()
        if self.state.epoch < self.recipe.epochs:
            start = (self.state.epoch, self.state.examples)
            self.batches = training_data.batches(
                self.config,
                self.recipe,
                self.manifest,
                self.augment,
                start,
                cancelled=lambda: bool(self._stop),
            )

    def _take_weights(self) -> None:
        """Takes other weights than the drawn ones, if a file of them is named."""
        file = self.config.training.init_weights
        if not file:
            return
        try:
            weights = weight_files.read(pathlib.Path(file), bvlc.layer_names(self.model))
        except ImportError as error:
            raise configs.UsageError(str(error)) from error
        fresh = self.config.training.init_missing == 'fresh'
        taken, left = bvlc.assign(self.model, weights, missing_fresh=fresh, file=file)
        self.say(f'train: begins with {file}: {", ".join(taken)}')
        if left:
            self.say(f'train: begins afresh: {", ".join(left)}')

    def _greet(self) -> None:
        placed = self.config.network.devices or [placement.default()]
        self.say(
            f'train: {self.model.count_params():,} parameters, recipe {self.recipe.name}, '
            f'{self.total:,} pictures of {len(self.manifest.classes)} classes, on '
            f'{", ".join(placed)}'
        )

    def variables(self) -> list[keras.Variable]:
        """Weights, velocities, loss scale, and the state of the dropout masks' generators."""
        scale = self.scale.variables if self.scale else []
        return [*self.model.variables, *self.sgd.velocities, *scale]

    def rate(self) -> float | None:
        """The learning rate of the next epoch; None when there is none."""
        if self.state.epoch >= self.recipe.epochs:
            return None
        base = self.recipe.learning_rate
        if self.recipe.schedule == 'list':
            return schedule.listed(base, self.recipe.drop_epochs, self.state.epoch)
        errors = self.state.validation_errors
        return schedule.plateau(base, errors, self.config.training.patience_epochs)

    def epoch(self, rate: float, stop: guards.StopRequest) -> None:
        """Trains to the end of an epoch and validates, or to the step where `stop` is asked."""
        self.sgd.set_rate(
            rate,
            bias_multiplier=self.recipe.bias_rate_multiplier,
            layer_multipliers=schedule.layer_multipliers(self.recipe.layer_rates, self.state.epoch),
        )
        meter, self._stop = progress.Meter(), stop
        while self.state.examples < self.total:
            number = self._one_step(meter)
            if not number:
                return
            meter.add(number)
            if self.state.step % self.config.training.log_every_steps == 0:
                self._log(meter, rate)
            if stop:
                return
            if time.monotonic() - self.saved > self.config.training.checkpoint_secs:
                self.save()
        self._end_epoch(meter, rate)

    def _one_step(self, meter) -> int:
        """One update; the number of examples in it, 0 where it was asked to stop waiting."""
        with meter.waiting():
            batch = next(self.batches, None)
        if batch is None and self._stop:
            return 0
        images, labels, mask = batch
        number = min(self.recipe.batch_size, self.total - self.state.examples)
        there = int(mask.numpy().sum())
        self._count_unreadable(number - there)
        values = self.step(images, labels, mask).numpy()
        self.state.sums = (np.array(self.state.sums) + there * values).tolist()
        self.state.examples += number
        self.state.step += 1
        return number

    def _count_unreadable(self, number: int) -> None:
        """Stops when more records cannot be read than may be, or the manifest counts others."""
        self.state.unreadable += number
        most = self.config.data.max_bad_fraction * self.total
        skips = self.config.input.on_bad_record == 'skip'
        if self.state.unreadable > (most if skips else 0) or number < 0:
            raise input_pipeline.errors.DataError(
                f'--data_dir={self.manifest.directory}: {self.state.unreadable:,} of '
                f'{self.state.examples:,} training records of this epoch could not be read, more '
                f'than --max_bad_fraction={self.config.data.max_bad_fraction:g} of '
                f'{self.total:,}. --mode=prepare --verify_only says which.'
            )

    def _means(self) -> dict[str, float]:
        read = self.state.examples - self.state.unreadable
        means = np.array(self.state.sums) / max(read, 1)
        return dict(zip(steps.METRICS, means.tolist(), strict=True))

    def _log(self, meter, rate: float) -> None:
        """Progress and scalars of the epoch so far."""
        means, step = self._means(), self.state.step
        left = (self.recipe.epochs - self.state.epoch) * self.total - self.state.examples
        self.say(
            f'epoch {self.state.epoch + 1}/{self.recipe.epochs} '
            f'{self.state.examples:,}/{self.total:,}  loss {means["loss"]:.4f}  '
            f'top-1 {tables.percent(means["top1_error"])}  '
            f'top-5 {tables.percent(means["top5_error"])}  rate {rate:g}  '
            f'{meter.rate():,.0f} images/s  input wait {tables.percent(meter.wait_share())}  '
            f'{progress.duration(left / meter.rate())} left'
        )
        speed = {'images_per_sec': meter.rate(), 'input_wait_share': meter.wait_share()}
        self.board.scalars('train', means | speed | {'learning_rate': rate}, step)

    def _end_epoch(self, meter, rate: float) -> None:
        train, step = self._means(), self.state.step
        scores = self._scores()
        self.state.epoch += 1
        if self.state.unreadable:
            self.say(f'train: {self.state.unreadable:,} records could not be read and were skipped')
        self.state.examples, self.state.unreadable = 0, 0
        self.state.sums = [0.0] * len(steps.METRICS)
        self.state.validation_errors.append(scores['top1_error'])
        row = {'epoch': self.state.epoch, 'step': step, 'learning_rate': rate}
        row |= {f'train_{name}': value for name, value in train.items()}
        row |= {f'validation_{name}': value for name, value in scores.items()}
        tables.append_csv(self._summary, row | {'images_per_sec': meter.rate()})
        self.board.scalars('train', {f'epoch_{name}': v for name, v in train.items()}, step)
        self.board.scalars('validation', {f'epoch_{name}': v for name, v in scores.items()}, step)
        self._draw_kernels()
        self.say(
            f'epoch {self.state.epoch}/{self.recipe.epochs} done  train loss '
            f'{train["loss"]:.4f} top-1 {tables.percent(train["top1_error"])}  validation loss '
            f'{scores["loss"]:.4f} top-1 {tables.percent(scores["top1_error"])}  '
            f'{meter.rate():,.0f} images/s'
        )
        warning = guards.chance_warning(
            self.state.epoch,
            train['loss'],
            len(self.manifest.classes),
            initial_sd_middle=self.recipe.initial_sd_middle,
        )
        if warning:
            self.say(f'train: warning: {warning}')
        if self._over() or time.monotonic() - self.saved > self.config.training.checkpoint_secs:
            self.save()

    def _scores(self) -> dict[str, float]:
        try:
            return self.scorer(self.manifest, input_pipeline.records.VALIDATION)
        except input_pipeline.errors.DataError:
            self.save()  # what is learned is not lost with the validation records
            raise

    def _over(self) -> bool:
        return self.rate() is None

    def _draw_kernels(self) -> None:
        columns = [
            self.model.get_layer(f'conv1_{at}').kernel.numpy() for at in 'ab'[: self.recipe.columns]
        ]
        self.board.picture('train', 'conv1_kernels', kernels.picture(columns), self.state.step)
        self.board.flush()

    def save(self) -> None:
        """Writes a checkpoint of this moment."""
        directory = self.directory / 'checkpoints'
        directory.mkdir(exist_ok=True)
        state = self.state
        if self.config.input.data_service:
            # Which examples were seen is not known where the order is not.
            state = dataclasses.replace(state, examples=0, unreadable=0, sums=states.State().sums)
        checkpoint.save(directory, self.variables(), dataclasses.asdict(state))
        self.saved = time.monotonic()

    def say(self, line: str) -> None:
        """A line on standard output."""
        print(line)
        sys.stdout.flush()


def _check_layer_rates(layer_rates: Sequence[str], layers: Sequence[str]) -> None:
    for each in layer_rates:
        if each.partition('=')[0] not in layers:
            raise configs.UsageError(
                f'--layer_rates={each}: this network has no such layer, but {", ".join(layers)}.'
            )
