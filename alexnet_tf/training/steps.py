"""The training step and the evaluation step, as TensorFlow graphs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.models import outputs
from alexnet_tf.models.layers import dropout
from alexnet_tf.training import distribution, loss_scale, optimizer
from alexnet_tf.training import targets as targets_lib


class StepResult(NamedTuple):
    """What one training step computed.

    Attributes:
        metrics: (3,) float32, METRICS averaged over the batch.
        finite: () bool, whether loss and gradients are finite. Otherwise no weight changed.
        squares: (variables,) float32, half the squared Euclidean norm of each gradient.
        loss_scale: () float32, the factor of the loss. Above 1, a non-finite gradient may only
            have overflowed float16.
    """

    metrics: tf.Tensor
    finite: tf.Tensor
    squares: tf.Tensor
    loss_scale: tf.Tensor

    @property
    def is_non_finite(self) -> bool:
        """Whether loss or gradients are NaN or inf, other than by an overflow of float16."""
        return not self.finite.numpy() and bool(self.loss_scale.numpy() <= 1)


def create_training_step(
    model: keras.Model,
    sgd: optimizer.PaperSGD,
    scale: loss_scale.LossScale | None = None,
    *,
    finish_on_device: Callable | None = None,
    accumulate_steps: int = 1,
    replicas: distribution.SingleReplica | None = None,
    targets: targets_lib.Targets | None = None,
) -> Callable[..., StepResult]:
    """Creates the function that trains on one batch.

    Args:
        model: Images -> logits.
        sgd: Optimizer, built on the model's trainable variables.
        scale: Loss scale, for float16.
        finish_on_device: Turns a tuple `images` into images; by default they are images already.
        accumulate_steps: Number of equal parts that a batch is processed in, one after the other;
            their gradients add up.
        replicas: Replicas of the network; model, sgd and scale must have been created in their
            scope.
        targets: The training targets; None for the labels. Metrics always refer to the labels.

    Returns:
        A function (images, labels (batch,) int64, mask (batch,) float32, step=0) -> `StepResult`.
        An example with a mask of 0 counts for nothing. `step` is the number of steps done; dropout
        masks are functions of it and of an example's row in the batch, so that `accumulate_steps`
        and `replicas` change nothing but the rounding of sums, except for batch normalisation and
        CutMix, which work within a part or a replica's share.
    """
    replicas = replicas or distribution.SingleReplica()
    replica = _Replica(model, sgd, scale, finish_on_device, accumulate_steps, replicas, targets)

    @tf.function(jit_compile=False, autograph=False)
    def training_step(images, labels, mask, step=0):
        batch = (images, labels, mask)
        return replicas.run(replica.train, batch, tf.cast(step, tf.int32))

    return training_step


@dataclasses.dataclass(frozen=True)
class _Replica:
    """One replica's training step; the attributes are arguments of `create_training_step`."""

    model: keras.Model
    sgd: optimizer.PaperSGD
    scale: loss_scale.LossScale | None
    finish_on_device: Callable | None
    accumulate_steps: int
    replicas: distribution.SingleReplica
    targets: targets_lib.Targets | None

    def train(self, batch, step) -> StepResult:
        """Trains on this replica's share of a batch."""
        gradients, metrics = self._accumulate(batch, step)
        gradients, metrics = self.replicas.sum_gradients(gradients, metrics)
        return self._update(gradients, metrics)

    def _accumulate(self, batch, step):
        """Adds up gradients and metrics over the parts of the share."""
        mask = batch[-1]
        rows = mask.shape[0] // self.accumulate_steps
        share = rows * self.accumulate_steps
        count = tf.maximum(self.replicas.sum(tf.reduce_sum(mask)), 1.0)
        gradients, metrics = None, tf.zeros(len(outputs.METRICS))
        for start in range(0, share, rows):
            part = batch if rows == share else _slice_rows(batch, start, rows)
            first_row = self.replicas.first_row(share) + start
            mask_rows = dropout.MaskRows(step, first_row, share * self.replicas.number)
            # One part after the other, so that only one is in memory.
            with tf.control_dependencies(gradients):
                part_gradients, part_metrics = self._differentiate(*part, count, mask_rows)
            gradients = self._add(gradients, part_gradients)
            metrics += part_metrics
        return gradients, metrics

    def _differentiate(self, images, labels, mask, count, mask_rows):
        """Computes the gradients of the loss, and METRICS, as sums divided by `count`."""
        if self.finish_on_device:
            images = self.finish_on_device(*images)
        own_share = None
        if self.targets:
            images, own_share = self.targets.mix(images, mask_rows.step)
        logits = self.model(images, training=True, dropout_rows=mask_rows)
        values = [compute_cross_entropy(labels, logits), *compute_top_k_errors(labels, logits)]
        metrics = [tf.reduce_sum(value * mask) / count for value in values]
        loss = metrics[0]
        if self.targets:
            loss = self.targets.compute_loss(labels, logits, own_share)
            loss = tf.reduce_sum(loss * mask) / count
        loss = self.scale.multiply(loss) if self.scale else loss
        # Not a gradient tape: it would run the whole backward pass on the first device, while
        # `tf.gradients` colocates each gradient with its operation.
        return tf.gradients(loss, self._variables()), tf.stack(metrics)

    def _add(self, gradients, part_gradients) -> list[tf.Tensor]:
        """Adds gradients, each on its variable's device."""
        if gradients is None:
            return part_gradients
        sums = []
        for variable, total, part in zip(self._variables(), gradients, part_gradients, strict=True):
            with tf.device(variable.device):
                sums.append(total + part)
        return sums

    def _update(self, gradients, metrics) -> StepResult:
        """Updates the weights, if loss and gradients are finite."""
        variables, squares = self._variables(), []
        for variable, gradient in zip(variables, gradients, strict=True):
            with tf.device(variable.device):
                squares.append(tf.nn.l2_loss(gradient))
        squares = tf.stack(squares)
        finite = tf.math.is_finite(tf.reduce_sum(squares) + metrics[0])

        def apply():
            unscaled = self.scale.divide(gradients, variables) if self.scale else gradients
            self.sgd.update_variables(unscaled)
            return True

        tf.cond(finite, apply, lambda: False)
        used_scale = tf.constant(1.0)
        if self.scale:
            used_scale = tf.identity(self.scale.scale.value)
            squares = self.scale.adapt(finite, squares)
        return StepResult(metrics, finite, squares, used_scale)

    def _variables(self) -> list:
        return [variable.value for variable in self.model.trainable_variables]


def _slice_rows(batch, start: int, rows: int):
    return tf.nest.map_structure(lambda tensor: tensor[start : start + rows], batch)


def create_evaluation_step(
    model: keras.Model,
    make_views: Callable,
    number_of_views: int,
    watched: Sequence[keras.KerasTensor] = (),
) -> Callable:
    """Creates the function that evaluates one batch.

    Args:
        model: Images -> logits.
        make_views: Squares (batch, size, size, 3) uint8 -> views (batch * views, crop, crop, 3),
            those of an image next to each other. It runs on the device of the model, which gets a
            tenth of the bytes that way.
        number_of_views: Views of each image. Their probabilities are averaged, as in section 4.1,
            not their logits.
        watched: Outputs of layers.

    Returns:
        A function (squares, labels (batch,), mask (batch,)) -> (sums of METRICS (3,) float32,
        probabilities (batch, classes) float32, active (units,) bool). `active` tells for all
        channels and units of `watched`, in order, whether they were above 0 anywhere.
    """
    watching = keras.Model(model.input, [model.output, *watched])

    @tf.function(jit_compile=False, autograph=False)
    def evaluation_step(squares, labels, mask):
        logits, *activations = tf.nest.flatten(watching(make_views(squares), training=False))
        probabilities = outputs.average_probabilities(logits, number_of_views)
        active = [
            tf.reduce_any(activation > 0, range(len(activation.shape) - 1))
            for activation in activations
        ]
        log = tf.math.log(tf.maximum(probabilities, outputs.MIN_PROBABILITY))
        values = [compute_cross_entropy(labels, log), *compute_top_k_errors(labels, probabilities)]
        sums = tf.stack([tf.reduce_sum(value * mask) for value in values])
        return sums, probabilities, tf.concat([*active, tf.zeros(0, tf.bool)], 0)

    return evaluation_step


def compute_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Computes the multinomial logistic loss of each example in nats, (batch,) float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))


def compute_top_k_errors(labels: tf.Tensor, scores: tf.Tensor) -> list[tf.Tensor]:
    """Computes top-1 and top-5 errors of each example, each (batch,) float32 in [0, 1].

    Classes with equal scores share the places that they have among the top k, as in the 2012
    source: the error is fractional then. The top 5 of fewer than six classes contain all of them.

    Args:
        labels: (batch,) integers.
        scores: (batch, classes) logits or probabilities. A NaN score is an error.
    """
    own = tf.gather(scores, labels, axis=1, batch_dims=1)[:, None]
    better = tf.reduce_sum(tf.cast(scores > own, tf.float32), 1)
    tied = tf.reduce_sum(tf.cast(scores == own, tf.float32), 1)  # 0 if the score is NaN
    places = [tf.clip_by_value(k - better, 0.0, tied) for k in (1.0, float(outputs.TOP_K))]
    return [1.0 - place / tf.maximum(tied, 1.0) for place in places]
