"""Decodes images into the square that records hold: 256x256 in the paper (section 2).

Only TensorFlow operations, so that prepare, predict and the served graph share them and agree to
the bit.
"""

import functools

import tensorflow as tf

from input_pipeline.images import gif, headers

SQUARE_SIZE = 256
CHANNELS = 3
JPEG_QUALITY = 95
DCT_METHOD = 'INTEGER_ACCURATE'  # Pillow's to the bit, which TensorFlow's default is not
_HALVED_FROM = (1024, 2048, 4096)  # pixels of the shorter side
UNREADABLE = 'it cannot be decoded: corrupt, truncated, or in an unsupported format'


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes an image of any size.

    A JPEG whose shorter side is 1024 pixels or more is shrunk by the decoder itself to a half, a
    quarter or an eighth, never below 512 pixels: an image of 12 megapixels takes a third of the
    time.

    Args:
        encoded: Scalar string: a JPEG (greyscale, RGB or CMYK), PNG, BMP, WebP or GIF. Only the
            first frame of a GIF is decoded.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        tf.errors.InvalidArgumentError: `encoded` is not such an image, or is truncated.
    """

    def decode_other():
        is_gif = tf.strings.substr(encoded, 0, len(headers.GIF)) == headers.GIF
        frame = tf.cond(is_gif, lambda: gif.extract_first_frame(encoded)[0], lambda: encoded)
        image = tf.io.decode_image(frame, channels=CHANNELS, expand_animations=False)
        return tf.ensure_shape(image, [None, None, CHANNELS])

    return tf.cond(tf.io.is_jpeg(encoded), lambda: _decode_jpeg(encoded), decode_other)


def resize_to_square(image: tf.Tensor, size: int = SQUARE_SIZE) -> tf.Tensor:
    """Crops the central square of an image and resizes it.

    Shrinks by area averages and enlarges by bicubic interpolation.

    Args:
        image: (height, width, 3) uint8.
        size: Side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    # Paper: it rescales, then crops. Cropping first gives the same to half a pixel, and leaves a
    # third less to resize.
    image_size = tf.shape(image)[:2]
    side = tf.reduce_min(image_size)
    start, end = (image_size - side) // 2, (image_size + side) // 2
    central = image[start[0] : end[0], start[1] : end[1]]
    resized = tf.case(
        [
            (side > size, lambda: _resize(central, size, 'area')),
            (side < size, lambda: _resize(central, size, 'bicubic')),
        ],
        default=lambda: central,
    )
    return tf.ensure_shape(resized, [size, size, CHANNELS])


def apply_orientation(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Rotates and flips an image so that it is upright.

    Args:
        image: (height, width, 3).
        orientation: Scalar int32, an EXIF orientation from 1 (upright) to 8.

    Returns:
        (height, width, 3) or, for orientations 5 to 8, (width, height, 3).
    """
    upright = tf.switch_case(
        orientation - 1,
        [
            lambda: image,
            lambda: image[:, ::-1],
            lambda: image[::-1, ::-1],
            lambda: image[::-1],
            lambda: tf.transpose(image, [1, 0, 2]),
            lambda: tf.transpose(image[::-1], [1, 0, 2]),
            lambda: tf.transpose(image[::-1, ::-1], [1, 0, 2]),
            lambda: tf.transpose(image[:, ::-1], [1, 0, 2]),
        ],
    )
    return tf.ensure_shape(upright, [None, None, CHANNELS])


def encode_jpeg(image: tf.Tensor) -> tf.Tensor:
    """Encodes an image as a JPEG of quality 95 without chroma subsampling.

    Args:
        image: (height, width, 3) uint8 RGB.

    Returns:
        Scalar string.
    """
    return tf.io.encode_jpeg(image, format='rgb', quality=JPEG_QUALITY, chroma_downsampling=False)


def decode_to_square(encoded: bytes, orientation: int = 1, size: int = SQUARE_SIZE) -> tf.Tensor:
    """Decodes an image, turns it upright and resizes its central square.

    Args:
        encoded: See `decode`, which also says what is raised.
        orientation: EXIF orientation, 1 to 8.
        size: Side of the result in pixels.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    return _decode_to_square(tf.constant(encoded), tf.constant(orientation), size)


@tf.function(autograph=False)
def _decode_to_square(encoded, orientation, size: int):
    return resize_to_square(apply_orientation(decode(encoded), orientation), size)


def _decode_jpeg(encoded):
    shorter = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
    halvings = tf.reduce_sum(tf.cast(shorter >= _HALVED_FROM, tf.int32))
    options = {'channels': CHANNELS, 'dct_method': DCT_METHOD}
    decode_ = functools.partial(tf.io.decode_jpeg, encoded, **options)
    branches = [functools.partial(decode_, ratio=ratio) for ratio in (1, 2, 4, 8)]
    return tf.switch_case(halvings, branches)


def _resize(image, size: int, method: str):
    resized = tf.image.resize(image, [size, size], method)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def create_dataset_options() -> tf.data.Options:
    """Creates the options of a data set that decodes an image or a request, and then is dropped.

    Such a data set can leave out what cannot be decoded; it is not worth optimizing.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return options
