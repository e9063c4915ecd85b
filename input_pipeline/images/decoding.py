"""Encoded bytes -> the square that records hold, 256x256 in the paper (section 2).

TensorFlow operations only: prepare, predict and the served graph share them and agree to the bit.
"""

import tensorflow as tf

from input_pipeline.images import gif

SQUARE_SIZE = 256
CHANNELS = 3
JPEG_QUALITY = 95
DCT = 'INTEGER_ACCURATE'  # Pillow's to the bit, which TensorFlow's default is not
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
            tf.io.decode_image(_first(encoded), channels=CHANNELS, expand_animations=False),
            [None, None, CHANNELS],
        ),
    )


def square(picture: tf.Tensor, size: int = SQUARE_SIZE) -> tf.Tensor:
    """The central square of a picture, made size x size.

    Shrinks by area averages and enlarges by bicubic interpolation.

    Args:
        picture: (height, width, 3) uint8.
        size: Side of the result.

    Returns:
        (size, size, 3) uint8.
    """
    # Paper: it rescales, then cuts. Cutting first gives the same to half a pixel, and a third less
    # to rescale.
    given = tf.shape(picture)[:2]
    side = tf.reduce_min(given)
    start, end = (given - side) // 2, (given + side) // 2
    central = picture[start[0] : end[0], start[1] : end[1]]
    made = tf.case(
        [
            (side > size, lambda: _resized(central, size, 'area')),
            (side < size, lambda: _resized(central, size, 'bicubic')),
        ],
        default=lambda: central,
    )
    return tf.ensure_shape(made, [size, size, CHANNELS])


def turned(picture: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """A picture upright.

    Args:
        picture: (height, width, 3).
        orientation: Scalar int32, 1 to 8, as EXIF counts them; 1 is upright.
    """
    upright = {
        1: lambda: picture,
        2: lambda: picture[:, ::-1],
        3: lambda: picture[::-1, ::-1],
        4: lambda: picture[::-1],
        5: lambda: tf.transpose(picture, [1, 0, 2]),
        6: lambda: tf.transpose(picture[::-1], [1, 0, 2]),
        7: lambda: tf.transpose(picture[::-1, ::-1], [1, 0, 2]),
        8: lambda: tf.transpose(picture[:, ::-1], [1, 0, 2]),
    }
    made = tf.switch_case(orientation - 1, [upright[each] for each in range(1, 9)])
    return tf.ensure_shape(made, [None, None, CHANNELS])


def encode(picture: tf.Tensor) -> tf.Tensor:
    """A square as JPEG of quality 95 with full colour resolution: scalar string."""
    return tf.io.encode_jpeg(picture, format='rgb', quality=JPEG_QUALITY, chroma_downsampling=False)


def square_of(encoded: bytes, orientation: int = 1, size: int = SQUARE_SIZE) -> tf.Tensor:
    """An encoded picture's square, upright: (size, size, 3) uint8 RGB."""
    return _square_of(tf.constant(encoded), tf.constant(orientation), size)


def jpeg_of(encoded: bytes, orientation: int = 1, size: int = SQUARE_SIZE) -> tf.Tensor:
    """The same, encoded: scalar string."""
    return _jpeg_of(tf.constant(encoded), tf.constant(orientation), size)


@tf.function(autograph=False)
def _square_of(encoded, orientation, size):
    return square(turned(decode(encoded), orientation), size)


@tf.function(autograph=False)
def _jpeg_of(encoded, orientation, size):
    return encode(square(turned(decode(encoded), orientation), size))


def _first(encoded):
    return tf.cond(
        tf.strings.substr(encoded, 0, 4) == b'GIF8',
        lambda: gif.first_picture(encoded)[0],
        lambda: encoded,
    )


def _decode_jpeg(encoded):
    def shrunk(ratio):
        return lambda: tf.io.decode_jpeg(encoded, channels=CHANNELS, ratio=ratio, dct_method=DCT)

    shorter = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
    halvings = tf.reduce_sum(tf.cast(shorter >= _SHRUNK_FROM, tf.int32))
    return tf.switch_case(halvings, [shrunk(1), shrunk(2), shrunk(4), shrunk(8)])


def _resized(picture, size: int, method: str):
    resized = tf.image.resize(picture, [size, size], method)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
