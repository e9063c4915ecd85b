"""Reads an image's format and size in TensorFlow operations, for untrusted input.

Served graphs need this. `headers` does the same in Python, which can read a file before it starts a
graph; a test holds the two together.
"""

import tensorflow as tf

from input_pipeline.images import bitmap, gif, graph_bytes, headers, jpeg

_START_BYTES = 32  # in which all formats but JPEG and GIF hold their size


def find_jpeg_problem(encoded: tf.Tensor, *, max_bytes: int, max_pixels: int) -> tf.Tensor:
    """Says why a JPEG must not be decoded.

    Args:
        encoded: Scalar string.
        max_bytes: Bytes that the image may have.
        max_pixels: Pixels that its header may claim.

    Returns:
        Scalar string, '' if the image may be decoded.

    Raises:
        tf.errors.InvalidArgumentError: The header is broken.
    """

    def check_header():
        height, width, _ = tf.unstack(tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64), num=3)
        problem = find_size_problem(width, height, max_pixels)
        return tf.where(jpeg.has_too_many_scans_in_graph(encoded), headers.TOO_MANY_SCANS, problem)

    return _check_bytes(encoded, max_bytes, check_header)


def find_other_problem(encoded: tf.Tensor, *, max_bytes: int, max_pixels: int) -> tf.Tensor:
    """Says why another image must not be decoded; see `find_jpeg_problem`."""
    data = graph_bytes.Bytes(tf.strings.substr(encoded, 0, _START_BYTES))

    def check(size, problem=''):
        return tf.where(problem != '', problem, find_size_problem(*size, max_pixels))

    def check_header():
        problem = check(_read_webp_size(data), _find_webp_problem(data))
        return tf.case(
            [
                (_matches(data, (headers.PNG, 0)), lambda: check(_read_png_size(data))),
                (_matches(data, (headers.GIF, 0)), lambda: check(_read_gif_size(encoded))),
                (
                    _matches(data, (headers.BMP, 0)),
                    lambda: check(_read_bitmap_size(data), bitmap.find_problem(encoded)),
                ),
            ],
            default=lambda: problem,
        )

    return _check_bytes(encoded, max_bytes, check_header)


def _check_bytes(encoded: tf.Tensor, max_bytes: int, check_header) -> tf.Tensor:
    length = tf.strings.length(encoded)
    size_problem = tf.where(length > 0, headers.TOO_MANY_BYTES.format(max_bytes), 'it is empty')
    is_readable = (length > 0) & (length <= max_bytes)
    return tf.cond(is_readable, check_header, lambda: size_problem)


def find_size_problem(width: tf.Tensor, height: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Says why an image of a certain size must not be decoded.

    Args:
        width: Scalar int64 below 2^32.
        height: Scalar int64 below 2^32.
        max_pixels: Pixels that it may have.

    Returns:
        Scalar string, '' if the image may be decoded.
    """
    size = [tf.as_string(width), ' x ', tf.as_string(height)]
    problem = tf.strings.join([*size, headers.TOO_MANY_PIXELS.format(max_pixels)])
    fits = (width > 0) & (height > 0) & (width * height <= max_pixels)
    return tf.where(fits, '', problem)


def _matches(data: graph_bytes.Bytes, *marks: tuple[bytes, int]) -> tf.Tensor:
    """Returns whether the data hold all the given (bytes, offset)."""
    matches = [data.starts_with(tf.constant(at, tf.int64), mark) for mark, at in marks]
    return tf.reduce_all(matches)


def _find_webp_problem(data: graph_bytes.Bytes) -> tf.Tensor:
    """Says why it is not a WebP that is read: scalar string, '' if nothing is wrong."""
    is_known = tf.reduce_any([_matches(data, *kind) for kind in headers.WEBPS])
    is_known &= _matches(data, (b'RIFF', 0), (b'WEBP', 8))
    is_animated = _matches(data, (b'VP8X', 12)) & (
        data.read_integer(20, 1) & headers.WEBP_ANIMATION > 0
    )
    return tf.where(
        is_known, tf.where(is_animated, headers.ANIMATED_WEBP, ''), headers.NOT_AN_IMAGE
    )


def _read_webp_size(data: graph_bytes.Bytes) -> tuple[tf.Tensor, tf.Tensor]:
    lossy = data.read_integer([26, 28], 2, False) & 0x3FFF
    bits = data.read_integer(21, 4, False)
    lossless = tf.stack([bits & 0x3FFF, bits // (1 << 14) & 0x3FFF]) + 1
    extended = data.read_integer([24, 27], 3, False) + 1
    is_lossy, is_lossless = (_matches(data, (kind, 12)) for kind in (b'VP8 ', b'VP8L'))
    size = tf.where(is_lossy, lossy, tf.where(is_lossless, lossless, extended))
    return size[0], size[1]


def _read_png_size(data: graph_bytes.Bytes) -> tuple[tf.Tensor, tf.Tensor]:
    return data.read_integer(16, 4), data.read_integer(20, 4)


def _read_gif_size(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    canvas = gif.extract_first_frame(encoded).canvas
    return canvas[0], canvas[1]


def _read_bitmap_size(data: graph_bytes.Bytes) -> tuple[tf.Tensor, tf.Tensor]:
    # A top-down bitmap has a negative height.
    return data.read_signed(18, 4, False), tf.abs(data.read_signed(22, 4, False))
