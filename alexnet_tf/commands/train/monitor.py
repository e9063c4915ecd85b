"""What a training run shows of itself: lines, `summary.csv`, TensorBoard."""

import pathlib
import sys
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.models import placement, recipes, topology
from alexnet_tf.plots import kernels as kernels_lib
from alexnet_tf.reports import progress as progress_lib
from alexnet_tf.reports import tables, tensorboard
from alexnet_tf.training import distribution, signals, steps
from alexnet_tf.training import state as states

# What is written when an epoch ends.
_AT_ENDS = ('epoch_', 'dead_units/', 'conv1_kernels')


class Watch:
    """Writes of one run; of several workers', the first alone.

    Args:
        directory: The run's.
        config: Of the command.
        numbers: The run's recipe.
        model: What learns.
        num_classes: Of the data.
        copies: Of it.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        config: schema.Config,
        numbers: recipes.Recipe,
        model: keras.Model,
        num_classes: int,
        copies: distribution.One,
    ):
        self._config, self._recipe, self._model, self._copies = config, numbers, model, copies
        self._num_classes = num_classes
        self._summary = directory / 'summary.csv'
        self.board = tensorboard.Writer(directory / 'tensorboard' if copies.chief else None)
        self._norms = tf.function(self._weight_norms, autograph=False)

    def say(self, line: str) -> None:
        """A line on standard output, which tells of several workers apart."""
        workers, worker = self._copies.workers, self._copies.worker
        print(line if workers == 1 else f'[{worker + 1}/{workers}] {line}')
        sys.stdout.flush()

    def greet(self, total: int) -> None:
        """What learns from how many pictures, and where."""
        network, copies = self._config.network, self._copies
        placed = network.devices or [placement.default()]
        if placement.slow(network.precision, placed):
            self.say(f'train: warning: {signals.precision_warning(network.precision)}')
        many = f'{copies.number} copies on {copies.workers} hosts'
        self.say(
            f'train: {self._model.count_params():,} parameters, recipe {self._recipe.name}, '
            f'{total:,} pictures of {self._num_classes} classes, '
            f'on {many if copies.number > 1 else ", ".join(placed)}'
        )

    def rewind(self, state: states.State | None) -> None:
        """Takes away what tells of later than this: it is trained again, to the same bits."""
        if self._copies.chief:
            done = state.epoch if state else 0
            tables.drop_rows(self._summary, lambda row: int(row['epoch']) > done)
            inside = state is not None and state.examples > 0
            self.board.rewind(state.step if state else None, _AT_ENDS if inside else ())

    def begin(self) -> None:
        """The numbers of the run, and its first kernels."""
        self.board.numbers('train', schema.to_settings(self._config))
        self.kernels(0)

    def progress(
        self,
        state: states.State,
        rate: float,
        outcome: steps.Outcome | None,
        meter: progress_lib.Meter,
        total: int,
    ) -> None:
        """The epoch so far."""
        if not self._copies.chief:
            return
        means, epochs = state.means(), self._recipe.epochs
        left = (epochs - state.epoch) * total - state.examples
        self.say(
            f'epoch {state.epoch + 1}/{epochs} '
            f'{state.examples:,}/{total:,}  loss {means["loss"]:.4f}  '
            f'top-1 {tables.percent(means["top1_error"])}  '
            f'top-5 {tables.percent(means["top5_error"])}  rate {rate:g}  '
            f'{meter.rate():,.0f} images/s  input wait {tables.percent(meter.wait_share())}  '
            f'{progress_lib.duration(left / max(meter.rate(), 1e-9))} left'
        )
        speed = {'images_per_sec': meter.rate(), 'input_wait_share': meter.wait_share()}
        more = {'learning_rate': rate}
        if self._config.network.precision == 'float16':
            more['float16_overflows'] = float(state.overflows)
        self.board.scalars('train', means | speed | more, state.step)
        if outcome:  # the step was learned from
            self.board.scalars('train', self.norms(outcome), state.step)

    def norms(self, outcome: steps.Outcome) -> dict[str, float]:
        """By layer, the Euclidean norms of its gradients and of its weights, both columns'."""
        squares = zip(outcome.squares.numpy(), self._norms().numpy(), strict=True)
        sums: dict[str, float] = {}
        for variable, pair in zip(self._model.trainable_variables, squares, strict=True):
            layer = topology.get_layer_name(variable)
            for kind, half in zip(('gradient', 'weight'), pair, strict=True):
                name = f'{kind}_norm/{layer}'
                sums[name] = sums.get(name, 0.0) + 2 * float(half)
        return {name: value**0.5 for name, value in sums.items()}

    def epoch(
        self,
        state: states.State,
        rate: float,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        images_per_sec: float | None,
    ) -> None:
        """An epoch that is done; of a rate that is not known, nothing is said."""
        if not self._copies.chief:
            return
        row = {'epoch': state.epoch, 'step': state.step, 'learning_rate': rate}
        row |= {f'train_{name}': value for name, value in train.items()}
        row |= {f'validation_{name}': value for name, value in validation.items()}
        tables.append_csv(self._summary, row | {'images_per_sec': images_per_sec or ''})
        for split, values in (('train', train), ('validation', validation)):
            named = {f'epoch_{name}': value for name, value in values.items()}
            self.board.scalars(split, named, state.step)
        self.kernels(state.step)
        self.say(
            f'epoch {state.epoch}/{self._recipe.epochs} done  train loss '
            f'{train["loss"]:.4f} top-1 {tables.percent(train["top1_error"])}  validation loss '
            f'{validation["loss"]:.4f} top-1 {tables.percent(validation["top1_error"])}'
            + (f'  {images_per_sec:,.0f} images/s' if images_per_sec else '')
        )

    def chance(self, state: states.State, loss: float, dead: Mapping[str, float]) -> None:
        """Which units sleep; and a warning where nothing is learned."""
        if not self._copies.chief:
            return
        shares = {f'dead_units/{layer}': share for layer, share in dead.items()}
        self.board.scalars('validation', shares, state.step)
        warning = signals.chance_warning(
            state.epoch,
            state.step,
            loss,
            self._num_classes,
            initial_sd_middle=None if self._recipe.layers else self._recipe.initial_sd_middle,
            dead_units=dead,
        )
        if warning:
            self.say(f'train: warning: {warning}')

    def kernels(self, step: int) -> None:
        """The first layer's kernels as a picture."""
        if not self._copies.chief:
            return
        columns = kernels_lib.get_kernels(self._model, self._recipe.columns)
        drawn = kernels_lib.render_kernels(list(columns.values()))
        self.board.picture('train', 'conv1_kernels', drawn, step)
        self.board.flush()

    def close(self) -> None:
        """Ends a profile whose last step did not come."""
        self.board.profile('train', begins=False, ends=True)

    def profile(self, step: int) -> None:
        """Begins or ends the profile that was asked for, before step number `step`, from 1."""
        first_last: Sequence[int] = self._config.training.profile_steps
        if first_last and self._copies.chief:
            self.board.profile(
                'train', begins=step == first_last[0], ends=step == first_last[1] + 1
            )

    def _weight_norms(self) -> tf.Tensor:
        halves = []
        for each in self._model.trainable_variables:
            with tf.device(each.value.device):
                halves.append(tf.nn.l2_loss(each.value))
        return tf.stack(halves)
