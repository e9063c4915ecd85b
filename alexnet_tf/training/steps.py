"""One training step and one evaluation step as TensorFlow graphs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.models import alexnet, outputs
from alexnet_tf.models.layers import dropout
from alexnet_tf.training import distribution, loss_scale, optimizer


class Outcome(NamedTuple):
    """What one step found.

    Attributes:
        metrics: (3,) float32, METRICS as means over the batch's examples.
        finite: Whether loss and gradients were numbers; the update was left out otherwise.
        squares: (variables,) float32, half the sum of each gradient's squares.
        scale: () float32, what the loss was multiplied by: over 1, float16 may be too narrow.
    """

    metrics: tf.Tensor
    finite: tf.Tensor
    squares: tf.Tensor
    scale: tf.Tensor


def training_step(
    model: keras.Model,
    sgd: optimizer.PaperSGD,
    scale: loss_scale.LossScale | None = None,
    images_of: Callable | None = None,
    *,
    parts: int = 1,
    copies: distribution.One | None = None,
) -> Callable:
    """A function (images, labels, mask, number=0) -> Outcome that learns from one batch.

    `number` counts the steps: dropout's masks are functions of it and of an example's place in
    the batch. So `parts` and `copies` change nothing but the rounding of sums.

    Args:
        model: images -> logits.
        sgd: Of the model's trainable variables.
        scale: For float16.
        images_of: Makes images of what comes instead of them: of a tuple, its arguments.
        parts: The batch is taken in so many parts, one after the other: their gradients add up.
        copies: Of the network, in whose scope model, sgd and scale were made.

    `tf.gradients` and not a gradient tape: it colocates each gradient with its operation, and a
    tape would run the whole backward pass on the first device.
    """
    learner = _Learner(model, sgd, scale, images_of, parts, copies or distribution.One())

    @tf.function(jit_compile=False, autograph=False)
    def step(images, labels, mask, number=0):
        batch = (images, labels, mask)
        return learner.copies.run(learner.learn, batch, tf.cast(number, tf.int32))

    return step


@dataclasses.dataclass(frozen=True)
class _Learner:
    """What one copy does in a step; attributes as the arguments of `training_step`."""

    model: keras.Model
    sgd: optimizer.PaperSGD
    scale: loss_scale.LossScale | None
    images_of: Callable | None
    parts: int
    copies: distribution.One

    def learn(self, batch, number) -> Outcome:
        """Learns from this copy's share of a batch."""
        mask = batch[-1]
        rows = mask.shape[0] // self.parts
        share = rows * self.parts
        count = tf.maximum(self.copies.sum(tf.reduce_sum(mask)), 1.0)
        gradients, means = None, tf.zeros(len(outputs.METRICS))
        for part in range(self.parts):
            own = batch if self.parts == 1 else _rows(batch, part * rows, rows)
            first = self.copies.row(share) + part * rows
            draw = dropout.Draw(number, first, share * self.copies.number)
            # One part after the other, so that only one is in memory.
            with tf.control_dependencies(gradients), dropout.drawn(draw):
                more, values = self._part(*own, count)
            gradients, means = self._added(gradients, more), means + values
        gradients, means = self.copies.sum((gradients, means))
        return self._update(gradients, means)

    def _part(self, images, labels, mask, count):
        """Gradients and sums of METRICS, divided by `count`."""
        images = self.images_of(*images) if self.images_of else images
        logits = self.model(images, training=True)
        each = [keras_losses(labels, logits), *errors(labels, logits)]
        means = [tf.reduce_sum(values * mask) / count for values in each]
        loss = self.scale.multiply(means[0]) if self.scale else means[0]
        return tf.gradients(loss, self._variables()), tf.stack(means)

    def _added(self, gradients, more) -> list[tf.Tensor]:
        """The sums, each on its variable's device."""
        if gradients is None:
            return more
        sums = []
        for variable, one, other in zip(self._variables(), gradients, more, strict=True):
            with tf.device(variable.device):
                sums.append(one + other)
        return sums

    def _update(self, gradients, means) -> Outcome:
        """Applies gradients if they are numbers, and says what they were."""
        variables, squares = self._variables(), []
        for variable, gradient in zip(variables, gradients, strict=True):
            with tf.device(variable.device):
                squares.append(tf.nn.l2_loss(gradient))
        squares = tf.stack(squares)
        finite = tf.math.is_finite(tf.reduce_sum(squares) + means[0])

        def apply():
            self.sgd.apply(self.scale.divide(gradients, variables) if self.scale else gradients)
            return True

        tf.cond(finite, apply, lambda: False)
        used = tf.constant(1.0)
        if self.scale:
            used = tf.identity(self.scale.scale.value)
            squares = self.scale.adapt(finite, squares)
        return Outcome(means, finite, squares, used)

    def _variables(self) -> list:
        return [each.value for each in self.model.trainable_variables]


def _rows(batch, first: int, number: int):
    return tf.nest.map_structure(lambda each: each[first : first + number], batch)


def evaluation_step(
    model: keras.Model,
    views_of: Callable,
    number_of_views: int,
    watched: Sequence[keras.KerasTensor] = (),
) -> Callable:
    """A function (squares, labels, mask) -> (sums of METRICS float32 (3,), probabilities, awake).

    Args:
        model: images -> logits.
        views_of: Makes a batch's views of its squares, on the device that scores them: a tenth of
            the bytes come there.
        number_of_views: Views a picture, beside each other in the batch: (batch * views, crop,
            crop, 3). Their probabilities are averaged, as the paper does, not their logits.
        watched: Outputs of layers: `awake`, (units,) bool, says of all their maps or units, in a
            row, whether they were above 0 anywhere.
    """
    watching = keras.Model(model.input, [model.output, *watched])

    @tf.function(jit_compile=False, autograph=False)
    def step(squares, labels, mask):
        logits, *outputs = tf.nest.flatten(watching(views_of(squares), training=False))
        probabilities = alexnet.averaged_probabilities(logits, number_of_views)
        awake = [tf.reduce_any(each > 0, range(len(each.shape) - 1)) for each in outputs]
        log = tf.math.log(tf.maximum(probabilities, 1e-30))
        values = [keras_losses(labels, log), *errors(labels, probabilities)]
        sums = tf.stack([tf.reduce_sum(each * mask) for each in values])
        return sums, probabilities, tf.concat([*awake, tf.zeros(0, tf.bool)], 0)

    return step


def keras_losses(labels, logits):
    """Multinomial logistic loss in nats, (batch,) float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))


def errors(labels, scores):
    """Top-1 and top-5 errors, each (batch,) float32 in [0, 1].

    Ties count in parts, as in the 2012 source: of classes with one score, of which some have a
    place among the best, each has a part of it. With fewer than six classes the top five hold them
    all.
    """
    own = tf.gather(scores, labels, axis=1, batch_dims=1)[:, None]
    better = tf.reduce_sum(tf.cast(scores > own, tf.float32), 1)
    tied = tf.reduce_sum(tf.cast(scores == own, tf.float32), 1)  # 0 where it is no number
    places = [tf.clip_by_value(number - better, 0.0, tied) for number in (1.0, 5.0)]
    return [1.0 - each / tf.maximum(tied, 1.0) for each in places]
