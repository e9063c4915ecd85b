"""Encoded bytes -> the 256x256 square that records hold (paper, section 2).

TensorFlow operations only: prepare, predict and the served graph share them and agree to the bit.
"""

import tensorflow as tf

SQUARE_SIZE = 256
CHANNELS = 3
JPEG_QUALITY = 95
_SHRUNK_FROM = (1024, 2048, 4096)  # shorter side


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """A picture of any size: (height, width, 3) uint8 RGB.

    Of a JPEG whose shorter side is 1024 or more, the decoder itself makes a half, a quarter or an
    eighth, not below 512: a photograph of 12 megapixels takes a third of the time.

    Args:
        encoded: Scalar string: JPEG (grey, RGB or CMYK), PNG, BMP, WebP, or GIF, whose first
            frame counts.

    Raises:
        tf.errors.InvalidArgumentError: Not such a picture, or a truncated one.
    """
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _decode_jpeg(encoded),
        lambda: tf.ensure_shape(
            tf.io.decode_image(encoded, channels=CHANNELS, expand_animations=False),
            [None, None, CHANNELS],
        ),
    )


def square(picture: tf.Tensor) -> tf.Tensor:
    """The central square of a picture, made 256x256.

    Shrinks by area averages and enlarges by bicubic interpolation.

    Args:
        picture: (height, width, 3) uint8.

    Returns:
        (256, 256, 3) uint8.
    """
    # Paper: it rescales, then cuts. Cutting first gives the same to half a pixel, and a third less
    # to rescale.
    size = tf.shape(picture)[:2]
    side = tf.reduce_min(size)
    start, end = (size - side) // 2, (size + side) // 2
    central = picture[start[0] : end[0], start[1] : end[1]]
    made = tf.case(
        [
            (side > SQUARE_SIZE, lambda: _resized(central, 'area')),
            (side < SQUARE_SIZE, lambda: _resized(central, 'bicubic')),
        ],
        default=lambda: central,
    )
    return tf.ensure_shape(made, [SQUARE_SIZE, SQUARE_SIZE, CHANNELS])


def encode(picture: tf.Tensor) -> tf.Tensor:
    """A square as JPEG of quality 95 with full colour resolution: scalar string."""
    return tf.io.encode_jpeg(picture, format='rgb', quality=JPEG_QUALITY, chroma_downsampling=False)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def square_of(encoded: tf.Tensor) -> tf.Tensor:
    """`square(decode(encoded))`: scalar string -> (256, 256, 3) uint8 RGB."""
    return square(decode(encoded))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def jpeg_of(encoded: tf.Tensor) -> tf.Tensor:
    """`encode(square(decode(encoded)))`: scalar string -> scalar string."""
    return encode(square(decode(encoded)))


def _decode_jpeg(encoded):
    # The accurate transform is Pillow's to the bit; TensorFlow's default is not.
    def shrunk(ratio):
        return lambda: tf.io.decode_jpeg(
            encoded, channels=CHANNELS, ratio=ratio, dct_method='INTEGER_ACCURATE'
        )

    shorter = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
    halvings = tf.reduce_sum(tf.cast(shorter >= _SHRUNK_FROM, tf.int32))
    return tf.switch_case(halvings, [shrunk(1), shrunk(2), shrunk(4), shrunk(8)])


def _resized(picture, method):
    resized = tf.image.resize(picture, [SQUARE_SIZE, SQUARE_SIZE], method)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
