"""One training step and one evaluation step as TensorFlow graphs."""

from collections.abc import Callable

import keras
import tensorflow as tf

from alexnet_tf.training import loss_scale, optimizer

METRICS = ('loss', 'top1_error', 'top5_error')


def training_step(
    model: keras.Model,
    sgd: optimizer.PaperSGD,
    scale: loss_scale.LossScale | None = None,
    images_of: Callable | None = None,
) -> Callable:
    """A function (images, labels, mask) -> float32 (3,) of METRICS that learns from one batch.

    Args:
        model: images -> logits.
        sgd: Of the model's trainable variables.
        scale: For float16.
        images_of: Makes images of what comes instead of them: of a tuple, its arguments.

    `tf.gradients` and not a gradient tape: it colocates each gradient with its operation, and a
    tape would run the whole backward pass on the first device.
    """

    @tf.function(jit_compile=False, autograph=False)
    def step(images, labels, mask):
        images = images_of(*images) if images_of else images
        logits = model(images, training=True)
        losses = keras_losses(labels, logits)
        loss = masked_mean(losses, mask)
        values = [variable.value for variable in model.trainable_variables]
        if scale:
            scale.apply(tf.gradients(scale.multiply(loss), values), sgd.apply)
        else:
            sgd.apply(tf.gradients(loss, values))
        return tf.stack([loss, *(masked_mean(e, mask) for e in errors(labels, logits))])

    return step


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


def masked_mean(values, mask):
    """The mean of `values` (batch,) where `mask` (batch,) is 1."""
    return tf.reduce_sum(values * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)
