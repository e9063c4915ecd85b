"""One training step and one evaluation step as TensorFlow graphs."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.network.layers import dropout
from alexnet_tf.training import loss_scale, optimizer, replicas

METRICS = ('loss', 'top1_error', 'top5_error')


class Outcome(NamedTuple):
    """What one step found.

    Attributes:
        metrics: (3,) float32, METRICS as means over the batch's examples.
        finite: Whether loss and gradients were numbers; the update was left out otherwise.
        squares: (variables,) float32, half the sum of each gradient's squares.
    """

    metrics: tf.Tensor
    finite: tf.Tensor
    squares: tf.Tensor


def training_step(
    model: keras.Model,
    sgd: optimizer.PaperSGD,
    scale: loss_scale.LossScale | None = None,
    images_of: Callable | None = None,
    *,
    parts: int = 1,
    copies: replicas.One | None = None,
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
    copies = copies or replicas.One()
    variables = [each.value for each in model.trainable_variables]

    def part_of(images, labels, mask, count):
        """Gradients and sums of METRICS, divided by `count`."""
        images = images_of(*images) if images_of else images
        logits = model(images, training=True)
        each = [keras_losses(labels, logits), *errors(labels, logits)]
        means = [tf.reduce_sum(values * mask) / count for values in each]
        loss = scale.multiply(means[0]) if scale else means[0]
        return tf.gradients(loss, variables), tf.stack(means)

    def learn(batch, number):
        mask = batch[-1]
        rows = mask.shape[0] // parts
        count = tf.maximum(copies.sum(tf.reduce_sum(mask)), 1.0)
        gradients, means = None, tf.zeros(len(METRICS))
        for part in range(parts):
            own = batch if parts == 1 else _rows(batch, part * rows, rows)
            first = copies.row(parts * rows) + part * rows
            draw = dropout.Draw(number, first, rows * parts * copies.number)
            # One part after the other, so that only one is in memory.
            with tf.control_dependencies(gradients), dropout.drawn(draw):
                more, values = part_of(*own, count)
            gradients, means = _added(variables, gradients, more), means + values
        gradients, means = copies.sum((gradients, means))
        return _update(sgd, scale, variables, gradients, means)

    @tf.function(jit_compile=False, autograph=False)
    def step(images, labels, mask, number=0):
        return copies.run(learn, (images, labels, mask), tf.cast(number, tf.int32))

    return step


def _rows(batch, first: int, number: int):
    return tf.nest.map_structure(lambda each: each[first : first + number], batch)


def _added(variables, gradients, more) -> list[tf.Tensor]:
    """The sums, each on its variable's device."""
    if gradients is None:
        return more
    sums = []
    for variable, one, other in zip(variables, gradients, more, strict=True):
        with tf.device(variable.device):
            sums.append(one + other)
    return sums


def _update(sgd, scale, variables, gradients, means) -> Outcome:
    """Applies gradients if they are numbers, and says what they were."""
    squares = []
    for variable, gradient in zip(variables, gradients, strict=True):
        with tf.device(variable.device):
            squares.append(tf.nn.l2_loss(gradient))
    squares = tf.stack(squares)
    finite = tf.math.is_finite(tf.reduce_sum(squares) + means[0])

    def apply():
        sgd.apply(scale.divide(gradients, variables) if scale else gradients)
        return True

    tf.cond(finite, apply, lambda: False)
    if scale:
        squares = scale.adapt(finite, squares)
    return Outcome(means, finite, squares)


def evaluation_step(model: keras.Model, number_of_views: int) -> Callable:
    """A function (views, labels, mask) -> (sums of METRICS float32 (3,), probabilities).

    Args:
        model: images -> logits.
        number_of_views: Views a picture, beside each other in the batch: (batch * views, crop,
            crop, 3). Their probabilities are averaged, as the paper does, not their logits.
    """

    @tf.function(jit_compile=False, autograph=False)
    def step(views, labels, mask):
        probabilities = averaged_probabilities(model(views, training=False), number_of_views)
        log = tf.math.log(tf.maximum(probabilities, 1e-30))
        values = [keras_losses(labels, log), *errors(labels, probabilities)]
        return tf.stack([tf.reduce_sum(each * mask) for each in values]), probabilities

    return step


def averaged_probabilities(logits, number_of_views: int):
    """(batch * views, classes) logits -> (batch, classes) float32 probabilities."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    by_view = tf.reshape(probabilities, [-1, number_of_views, logits.shape[-1]])
    return tf.reduce_mean(by_view, axis=1)


def keras_losses(labels, logits):
    """Multinomial logistic loss in nats, (batch,) float32."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))


def errors(labels, scores):
    """Top-1 and top-5 errors, each (batch,) float32 of 0 and 1.

    With fewer than six classes the top five hold them all.
    """
    k = min(5, scores.shape[-1])
    missed = [~tf.math.in_top_k(labels, scores, number) for number in (1, k)]
    return [tf.cast(each, tf.float32) for each in missed]
