"""Random crops, mirrors and colour shifts (paper, section 4.1), each a function of the example.

Draws depend on (seed, epoch, example index) only: the same whatever the parallelism, and after
a resume.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Draw:
    """What chance decided for one picture in one epoch.

    Attributes:
        row, column: Scalars int32: the crop's offset, 0 to the border inclusive.
        mirrored: Scalar bool.
        shift: (3,) float32: what is added to every pixel's R, G, B, in grey levels.
    """

    row: tf.Tensor
    column: tf.Tensor
    mirrored: tf.Tensor
    shift: tf.Tensor


def draw(
    index: tf.Tensor, components: tf.Tensor, *, seed: int, epoch: tf.Tensor, border: int
) -> Draw:
    """The draw for one example.

    Args:
        index: Scalar int64, the example's place in the data set.
        components: (3, 3) float32; column i is a principal component of the training pixels'
            RGB, as long as the standard deviation of its normal draw, in grey levels.
        seed: Of all draws.
        epoch: Scalar int64.
        border: The largest offset: 32 for 224 from 256. All offsets from 0 to it are as likely,
            33 x 33 x 2 pictures of one; the paper counts 2048, as if there were 32.
    """
    key = tf.stack([index, epoch * 2 + seed * 1_000_003])
    uniform = tf.random.stateless_uniform([3], key)
    offsets = tf.cast(uniform[:2] * (border + 1), tf.int32)
    normal = tf.random.stateless_normal([3], key + tf.constant([0, 1], tf.int64))
    shift = tf.linalg.matvec(components, normal)
    return Draw(offsets[0], offsets[1], uniform[2] < 0.5, shift)


def apply(crop: tf.Tensor, drawn: Draw, mean_crop: tf.Tensor, divisor: float) -> tf.Tensor:
    """(crop - mean_crop + shift) / divisor, mirrored if so drawn.

    Args:
        crop: (size, size, 3) uint8.
        drawn: Only `mirrored` and `shift` are used.
        mean_crop: (size, size, 3) float32: the mean image's central crop, wherever the crop was
            taken, and never mirrored, as in the 2012 source.
        divisor: A number or a scalar; 1 in the paper; 1.1 in its source, which keeps the scale
            near the test's.

    Returns:
        (size, size, 3) float32, about [-160, 190] before the division.
    """
    size = crop.shape[0]
    # Reversed as bytes, and the shift added as one row: a quarter of the memory traffic, and
    # no broadcasting over an innermost dimension of 3, which is several times slower.
    crop = tf.cond(drawn.mirrored, lambda: tf.reverse(crop, [1]), lambda: crop)
    rows = tf.reshape(tf.cast(crop, tf.float32), [size, size * 3])
    shifts = tf.tile(drawn.shift, [size])
    rows = rows - tf.reshape(mean_crop, [size, size * 3]) + shifts
    if tf.is_tensor(divisor) or divisor != 1.0:
        rows = rows * (1.0 / divisor)
    return tf.reshape(rows, [size, size, 3])
