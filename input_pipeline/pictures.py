"""Encoded bytes -> the 256x256 square that records hold (paper, section 2).

TensorFlow operations only: prepare, predict and the served graph share them and agree to the bit.
"""

import tensorflow as tf

SQUARE_SIZE = 256
CHANNELS = 3
JPEG_QUALITY = 95


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """A picture of any size: (height, width, 3) uint8 RGB.

    Args:
        encoded: Scalar string: JPEG (grey, RGB or CMYK), PNG, BMP, WebP, or GIF, whose first
            frame counts.

    Raises:
        tf.errors.InvalidArgumentError: Not such a picture, or a truncated one.
    """
    # The accurate transform is Pillow's to the bit; TensorFlow's default is not.
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=CHANNELS, dct_method='INTEGER_ACCURATE'),
        lambda: tf.ensure_shape(
            tf.io.decode_image(encoded, channels=CHANNELS, expand_animations=False),
            [None, None, CHANNELS],
        ),
    )


def square(picture: tf.Tensor) -> tf.Tensor:
    """The central 256x256 of a picture whose shorter side was made 256.

    Shrinks by area averages and enlarges by bicubic interpolation.

    Args:
        picture: (height, width, 3) uint8.

    Returns:
        (256, 256, 3) uint8.
    """
    size = tf.shape(picture)[:2]
    shorter = tf.reduce_min(size)
    ratio = SQUARE_SIZE / tf.cast(shorter, tf.float64)
    target = tf.cast(tf.round(tf.cast(size, tf.float64) * ratio), tf.int32)
    resized = tf.case(
        [
            (shorter > SQUARE_SIZE, lambda: _resized(picture, target, 'area')),
            (shorter < SQUARE_SIZE, lambda: _resized(picture, target, 'bicubic')),
        ],
        default=lambda: picture,
    )
    start = (target - SQUARE_SIZE) // 2
    return tf.slice(resized, tf.concat([start, [0]], 0), [SQUARE_SIZE, SQUARE_SIZE, CHANNELS])


def _resized(picture, target, method):
    resized = tf.image.resize(picture, target, method)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def from_bytes(encoded: tf.Tensor) -> tf.Tensor:
    """`square(decode(encoded))`: scalar string -> (256, 256, 3) uint8 RGB."""
    return square(decode(encoded))


@tf.function(input_signature=[tf.TensorSpec([SQUARE_SIZE, SQUARE_SIZE, CHANNELS], tf.uint8)])
def encode(picture: tf.Tensor) -> tf.Tensor:
    """A square as JPEG of quality 95 with full colour resolution: scalar string."""
    return tf.io.encode_jpeg(
        picture,
        format='rgb',
        quality=JPEG_QUALITY,
        chroma_downsampling=False,
        optimize_size=True,
    )
