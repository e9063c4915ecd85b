"""What a network is trained to predict: labels, smoothed or mixed with those of other images."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Targets:
    """How the targets of training differ from the labels.

    Attributes:
        label_smoothing: The probability that moves from the label to all classes alike (Szegedy et
            al., 2016).
        cutmix: The share of batches whose images get a rectangle of another image, and whose
            targets its label in proportion (CutMix, Yun et al., 2019).
        seed: Seed of the rectangles.
        class_weights: The factor of an example's loss, by its label; () for 1. For a mixed image,
            each label's part of the loss has that label's factor.
    """

    label_smoothing: float = 0.0
    cutmix: float = 0.0
    seed: int = 0
    class_weights: tuple[float, ...] = ()

    def mix(self, images: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Pastes a rectangle of another image into each image of a batch or of a part of one.

        The other images are the same in reverse order. The rectangle, if any, depends only on the
        seed and the step, so that a resumed run repeats it. The remaining share is uniformly
        distributed.

        Args:
            images: (batch, rows, columns, channels), any float dtype.
            step: Number of the step, an int32 scalar.

        Returns:
            (images, share of each image that is unchanged: a float32 scalar, or None for all).
        """
        if not self.cutmix:
            return images, None
        uniform = tf.random.stateless_uniform([4], tf.stack([self.seed, step]))
        rows, columns = images.shape[1:3]
        side = tf.sqrt(uniform[0]) * tf.cast(uniform[3] < self.cutmix, tf.float32)
        inside = _place(rows, side, uniform[1])[:, None] & _place(columns, side, uniform[2])
        mixed = tf.where(inside[None, :, :, None], tf.reverse(images, [0]), images)
        return mixed, 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32))

    def compute_loss(
        self, labels: tf.Tensor, logits: tf.Tensor, own_share: tf.Tensor | None
    ) -> tf.Tensor:
        """Computes the loss of each example in nats, (batch,) float32.

        Args:
            labels: (batch,) integers.
            logits: (batch, classes).
            own_share: From `mix`.
        """
        logits = tf.cast(logits, tf.float32)
        loss, weight = self._weigh(labels, logits)
        if own_share is not None:
            other, other_weight = self._weigh(tf.reverse(labels, [0]), logits)
            loss = own_share * loss + (1.0 - own_share) * other
            weight = own_share * weight + (1.0 - own_share) * other_weight
        if self.label_smoothing:
            uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), 1)
            uniform = uniform * weight if self.class_weights else uniform
            loss = (1.0 - self.label_smoothing) * loss + self.label_smoothing * uniform
        return loss

    def _weigh(self, labels, logits):
        """Returns the cross-entropy of each example times its weight, and the weight."""
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.class_weights:
            return loss, 1.0
        weight = tf.gather(tf.constant(self.class_weights, tf.float32), labels)
        return weight * loss, weight


def _place(size: int, share: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Returns (size,) bool: true in a stretch of `share` of the pixels, at `place` in [0, 1)."""
    length = tf.round(share * size)
    first = tf.floor(place * (size - length + 1.0))
    pixels = tf.range(size, dtype=tf.float32)
    return (pixels >= first) & (pixels < first + length)
