"""Decodes images into the square that records hold: 256x256 in the paper (section 2).

Only TensorFlow operations, so that prepare, predict and the served graph share them and agree to
the bit.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from input_pipeline.images import bitmap, chunks, gif, graph_bytes, headers, jpeg, orientation

SQUARE_SIZE = 256
CHANNELS = 3
WHITE = (255, 255, 255)
JPEG_QUALITY = 95
DCT_METHOD = 'INTEGER_ACCURATE'  # Pillow's to the bit, which TensorFlow's default is not
_HALVED_FROM = (1024, 2048, 4096)  # pixels of the shorter side
_CMYK_CHANNELS = 4
_COLOR_TYPE, _HAS_ALPHA = 25, 4  # of a PNG: offset, and a bit of it
UNREADABLE = 'it cannot be decoded: corrupt, truncated, or in an unsupported format'


class Pixels(NamedTuple):
    """An image as its file has it: not upright, and in the colors of its profile.

    Attributes:
        rgb: (height, width, 3) uint8.
        alpha: (height, width, 1) uint8, 255 where it is opaque; or (height, width, 0) if it has no
            transparency.
        metadata: How to show it.
    """

    rgb: tf.Tensor
    alpha: tf.Tensor
    metadata: jpeg.Metadata


def decode_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, greyscale, RGB or CMYK.

    If its shorter side is 1024 pixels or more, it is shrunk by the decoder itself to a half, a
    quarter or an eighth, never below 512 pixels: an image of 12 megapixels takes a third of the
    time.

    Args:
        encoded: Scalar string.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises, when run:
        tf.errors.InvalidArgumentError: It is not a JPEG, or is truncated.
    """
    height, width, channels = tf.unstack(tf.io.extract_jpeg_shape(encoded), num=3)
    halvings = tf.reduce_sum(tf.cast(tf.minimum(height, width) >= _HALVED_FROM, tf.int32))
    encoded = tf.cond(
        channels == _CMYK_CHANNELS, lambda: jpeg.assume_adobe(encoded), lambda: encoded
    )
    options = {'channels': CHANNELS, 'dct_method': DCT_METHOD}
    decode_ = functools.partial(tf.io.decode_jpeg, encoded, **options)
    branches = [functools.partial(decode_, ratio=ratio) for ratio in (1, 2, 4, 8)]
    return tf.switch_case(halvings, branches)


def decode_other(encoded: tf.Tensor) -> Pixels:
    """Decodes a PNG, BMP, WebP or the first frame of a GIF.

    Args:
        encoded: Scalar string.

    Raises, when run:
        tf.errors.InvalidArgumentError: It is not such an image, or is truncated.
    """

    def starts_with(mark):
        return tf.strings.substr(encoded, 0, len(mark)) == mark

    kinds = [(headers.PNG, _decode_png), (headers.GIF, _decode_gif), (headers.BMP, _decode_bmp)]
    cases = [(starts_with(mark), functools.partial(decode_, encoded)) for mark, decode_ in kinds]
    rgb, alpha, metadata = tf.case(cases, default=lambda: _decode_webp(encoded))
    rgb = tf.ensure_shape(rgb, [None, None, CHANNELS])
    return Pixels(rgb, tf.ensure_shape(alpha, [None, None, None]), metadata)


def decode(encoded: tf.Tensor, background: tuple[int, int, int] = WHITE) -> tf.Tensor:
    """Decodes an image onto a background, without applying its metadata.

    Args:
        encoded: Scalar string, a file of any format that is read.
        background: Red, green and blue, 0 to 255.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises, when run:
        tf.errors.InvalidArgumentError: It is not an image, or is truncated.
    """

    def decode_and_composite():
        pixels = decode_other(encoded)
        return composite(pixels.rgb, pixels.alpha, background)

    return tf.cond(tf.io.is_jpeg(encoded), lambda: decode_jpeg(encoded), decode_and_composite)


def is_transparent(alpha: tf.Tensor) -> tf.Tensor:
    """Returns whether any pixel of `Pixels.alpha` is not opaque."""
    return tf.reduce_any(alpha < 255)


def composite(rgb: tf.Tensor, alpha: tf.Tensor, background: tuple[int, int, int]) -> tf.Tensor:
    """Composites an image on a background: round((color alpha + background (255 - alpha)) / 255).

    That is what Pillow's `paste` and `alpha_composite` give.

    Args:
        rgb: (height, width, 3) uint8.
        alpha: (height, width, 1) uint8; or (height, width, 0) for an opaque image.
        background: Red, green and blue, 0 to 255.

    Returns:
        (height, width, 3) uint8.
    """

    def blend():
        color, opacity = tf.cast(rgb, tf.uint16), tf.cast(alpha[..., :1], tf.uint16)
        sum_ = color * opacity + tf.constant(background, tf.uint16) * (255 - opacity) + 128
        # The quotient by 255, rounded, in 16 bits: a fourth of the memory of floats.
        return tf.cast(_shift(_shift(sum_) + sum_), tf.uint8)

    return tf.cond(is_transparent(alpha), blend, lambda: rgb)


def trim(image: tf.Tensor) -> tf.Tensor:
    """Cuts equal parts off both ends of the longer side, to a square or a pixel more.

    The central square stays the same, also if the image is turned or mirrored.

    Args:
        image: (height, width, channels).
    """
    size = tf.shape(image)[:2]
    cut = (size - tf.reduce_min(size)) // 2
    return image[cut[0] : size[0] - cut[0], cut[1] : size[1] - cut[1]]


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
            (side > size, lambda: _resize(central, [size, size], 'area')),
            (side < size, lambda: _resize(central, [size, size], 'bicubic')),
        ],
        default=lambda: central,
    )
    return tf.ensure_shape(resized, [size, size, CHANNELS])


def warp_to_square(image: tf.Tensor, size: int = SQUARE_SIZE) -> tf.Tensor:
    """Resizes a whole image to a square, whatever its shape, as `resize_to_square` resizes.

    Args:
        image: (height, width, 3) uint8.
        size: Side of the result in pixels.

    Returns:
        (size, size, 3) uint8.
    """
    shrunk = _resize(image, tf.minimum(tf.shape(image)[:2], size), 'area')
    return tf.ensure_shape(_resize(shrunk, [size, size], 'bicubic'), [size, size, CHANNELS])


def encode_jpeg(
    image: tf.Tensor, quality: int = JPEG_QUALITY, *, halves_colour: bool = False
) -> tf.Tensor:
    """Encodes an image as a baseline JPEG.

    Args:
        image: (height, width, 3) uint8 RGB.
        quality: From 1 to 100, of libjpeg.
        halves_colour: Whether colours have half the resolution of brightness (4:2:0).

    Returns:
        Scalar string.
    """
    return tf.io.encode_jpeg(
        image, format='rgb', quality=quality, chroma_downsampling=halves_colour
    )


def create_dataset_options() -> tf.data.Options:
    """Creates the options of a data set that decodes an image or a request, and then is dropped.

    Such a data set can leave out what cannot be decoded; it is not worth optimizing.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return options


@graph_bytes.keep_apart
def _decode_png(encoded):
    metadata_chunks = chunks.Chunks(encoded, ('tRNS', 'eXIf', 'iTXt', 'iCCP'), is_png=True)
    color_type = tf.io.decode_raw(tf.strings.substr(encoded, _COLOR_TYPE, 1), tf.uint8)[0]
    has_alpha = metadata_chunks.has('tRNS') | (color_type & _HAS_ALPHA > 0)
    image = tf.cond(
        has_alpha,
        lambda: tf.io.decode_png(encoded, channels=CHANNELS + 1),
        lambda: tf.io.decode_png(encoded, channels=CHANNELS),
    )
    return _split_alpha(image, chunks.read_png_metadata(metadata_chunks))


@graph_bytes.keep_apart
def _decode_webp(encoded):
    metadata_chunks = chunks.Chunks(encoded, ('EXIF', 'XMP ', 'ICCP'), is_png=False)
    image = tf.io.decode_webp(encoded, channels=0)[0]  # as many as it has
    return _split_alpha(image, chunks.read_webp_metadata(metadata_chunks))


@graph_bytes.keep_apart
def _decode_gif(encoded):
    return _without_metadata(*gif.decode(encoded))


@graph_bytes.keep_apart
def _decode_bmp(encoded):
    return _without_metadata(*bitmap.decode(encoded))


def _split_alpha(image, metadata):
    return Pixels(image[..., :CHANNELS], image[..., CHANNELS:], metadata)


def _without_metadata(rgb, alpha):
    return Pixels(rgb, alpha, jpeg.Metadata(tf.constant(orientation.UPRIGHT), tf.constant('')))


def _shift(values):
    return tf.bitwise.right_shift(values, tf.constant(8, tf.uint16))


def _resize(image, size, method: str):
    if method == 'bicubic':  # which is as exact with floats, and a third faster
        image = tf.cast(image, tf.float32)
    resized = tf.round(tf.image.resize(image, size, method))
    if method == 'bicubic':  # which overshoots; averages do not
        resized = tf.clip_by_value(resized, 0.0, 255.0)
    return tf.cast(resized, tf.uint8)
