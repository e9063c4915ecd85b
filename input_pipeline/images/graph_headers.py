"""Reads an image's format, size and orientation in TensorFlow operations, for untrusted input.

Served graphs need this. `headers` does the same in Python, which can read a file before it starts a
graph; a test holds the two together.
"""

import tensorflow as tf

from input_pipeline.images import gif, headers

_START_BYTES = 32  # in which all formats but JPEG and GIF hold their size
_MAX_TIFF_ENTRIES = 512
_MARKER, _SCAN, _APP1 = 0xFF, 0xDA, 0xE1  # of a JPEG


def find_problem(
    encoded: tf.Tensor, *, max_bytes: int = headers.MAX_BYTES, max_pixels: int = headers.MAX_PIXELS
) -> tf.Tensor:
    """Says why an image must not be decoded.

    Args:
        encoded: Scalar string.
        max_bytes: Bytes that the image may have.
        max_pixels: Pixels that its header may claim.

    Returns:
        Scalar string, '' if the image may be decoded.

    Raises:
        tf.errors.InvalidArgumentError: The header of a JPEG is broken.
    """
    length = tf.strings.length(encoded)
    start = tf.strings.substr(encoded, 0, tf.minimum(length, _START_BYTES))

    def check_header():
        width, height = _read_size(encoded, start)
        problem = _find_unsupported_kind(encoded, start)
        return tf.where(problem != '', problem, find_size_problem(width, height, max_pixels))

    return tf.case(
        [
            (length == 0, lambda: tf.constant('it is empty')),
            (length > max_bytes, lambda: tf.constant(headers.TOO_MANY_BYTES.format(max_bytes))),
            (_is_known(start), check_header),
        ],
        default=lambda: tf.constant(headers.NOT_AN_IMAGE),
    )


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


def read_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the EXIF orientation of a JPEG.

    Args:
        encoded: Scalar string.

    Returns:
        Scalar int32, 1 to 8; 1 (upright) for everything else.
    """
    return tf.cond(
        _has_bytes(encoded, headers.JPEG),
        lambda: _read_jpeg_orientation(encoded),
        lambda: tf.constant(1),
    )


def _has_bytes(encoded: tf.Tensor, expected: bytes, offset: int = 0) -> tf.Tensor:
    is_long = tf.strings.length(encoded) >= offset + len(expected)
    start = tf.where(is_long, offset, 0)
    return is_long & (tf.strings.substr(encoded, start, len(expected)) == expected)


def _is_known(start: tf.Tensor) -> tf.Tensor:
    signatures = (headers.JPEG, headers.PNG, headers.GIF, headers.BMP)
    is_known = tf.reduce_any([_has_bytes(start, signature) for signature in signatures])
    is_webp = _has_bytes(start, b'RIFF') & _has_bytes(start, b'WEBP', 8)
    kinds = [tf.reduce_all([_has_bytes(start, *mark) for mark in kind]) for kind in headers.WEBPS]
    return is_known | (is_webp & tf.reduce_any(kinds))


def _find_unsupported_kind(encoded: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Says what is not read although its format is: scalar string, '' if there is nothing."""
    data = tf.cast(_pad(start), tf.int32)
    bits = data[28] + 256 * data[29]
    depth = tf.strings.join([tf.as_string(bits), headers.BITS_PER_PIXEL])
    is_os2 = (data[14] < headers.BMP_HEADER_BYTES) & (data[15] == 0)
    is_animated = _has_bytes(start, b'VP8X', 12) & (data[20] & headers.WEBP_ANIMATION > 0)

    bitmap = tf.where((bits == 24) | (bits == 32), '', depth)

    def check_jpeg():
        data = tf.io.decode_raw(encoded, tf.uint8)
        scans = tf.reduce_sum(tf.cast((data[:-1] == _MARKER) & (data[1:] == _SCAN), tf.int32))
        return tf.where(scans > headers.MAX_SCANS, headers.TOO_MANY_SCANS, '')

    return tf.case(
        [
            (_has_bytes(start, headers.JPEG), check_jpeg),
            (_has_bytes(start, headers.BMP), lambda: tf.where(is_os2, headers.OS2_BITMAP, bitmap)),
            (is_animated, lambda: tf.constant(headers.ANIMATED_WEBP)),
        ],
        default=lambda: tf.constant(''),
    )


def _pad(start: tf.Tensor) -> tf.Tensor:
    """The first bytes, (_START_BYTES,) uint8, with zeros behind the end."""
    padded = tf.strings.substr(tf.strings.join([start, bytes(_START_BYTES)]), 0, _START_BYTES)
    return tf.ensure_shape(tf.io.decode_raw(padded, tf.uint8), [_START_BYTES])


def _read_size(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads the (width, height), int64, that the header claims."""
    data = tf.cast(_pad(start), tf.int64)

    def read_jpeg():
        shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64)
        return shape[1], shape[0]

    def read_webp_lossy():
        return _little_endian(data, 26, 2) & 0x3FFF, _little_endian(data, 28, 2) & 0x3FFF

    def read_webp_lossless():
        bits = _little_endian(data, 21, 4)
        return (bits & 0x3FFF) + 1, (bits // (1 << 14) & 0x3FFF) + 1

    return tf.case(
        [
            (_has_bytes(start, headers.JPEG), read_jpeg),
            (
                _has_bytes(start, headers.PNG),
                lambda: (_big_endian(data, 16), _big_endian(data, 20)),
            ),
            (_has_bytes(start, headers.GIF), lambda: _read_gif_size(encoded, data)),
            (_has_bytes(start, headers.BMP), lambda: _read_bitmap_size(data)),
            (_has_bytes(start, b'VP8 ', 12), read_webp_lossy),
            (_has_bytes(start, b'VP8L', 12), read_webp_lossless),
        ],
        default=lambda: (_little_endian(data, 24, 3) + 1, _little_endian(data, 27, 3) + 1),
    )


def _read_gif_size(encoded: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The size of the screen or of the first frame, whichever is larger."""
    _, width, height = gif.extract_first_frame(encoded)
    sizes = [(_little_endian(data, 6, 2), width), (_little_endian(data, 8, 2), height)]
    return tuple(tf.where(width > 0, tf.maximum(screen, frame), 0) for screen, frame in sizes)


def _read_bitmap_size(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    def read_signed(offset):
        value = _little_endian(data, offset, 4)
        return tf.where(value >= 1 << 31, value - (1 << 32), value)

    return read_signed(18), tf.abs(read_signed(22))  # a top-down bitmap has a negative height


def _little_endian(data: tf.Tensor, offset: int, size: int) -> tf.Tensor:
    return tf.add_n([data[offset + at] * 256**at for at in range(size)])


def _big_endian(data: tf.Tensor, offset: int) -> tf.Tensor:
    return _little_endian(data[::-1], _START_BYTES - offset - 4, 4)


def _read_jpeg_orientation(encoded: tf.Tensor) -> tf.Tensor:
    head_bytes = tf.minimum(tf.strings.length(encoded), headers.MAX_EXIF_BYTES)
    data = tf.io.decode_raw(tf.strings.substr(encoded, 0, head_bytes), tf.uint8)
    read_byte = _byte_reader(data, tf.size(data, tf.int64))

    def is_exif(offset):
        marks = {0: _MARKER, 1: _APP1} | dict(enumerate(b'Exif\0\0', 4))
        return tf.reduce_all([read_byte(offset + at) == mark for at, mark in marks.items()])

    def is_other_segment(offset):
        is_segment = (read_byte(offset) == _MARKER) & (read_byte(offset + 1) != _SCAN)
        return is_segment & ~is_exif(offset)

    def skip_segment(offset):  # any number of fill bytes, 0xff, may precede a segment
        is_fill = read_byte(offset + 1) == _MARKER
        length = 2 + _integer(read_byte, offset + 2, 2)
        return (offset + tf.where(is_fill, tf.ones_like(offset), length),)

    start = (tf.constant(2, tf.int64),)
    limit = headers.MAX_SEGMENTS
    (offset,) = tf.while_loop(is_other_segment, skip_segment, start, maximum_iterations=limit)
    end = tf.minimum(tf.size(data, tf.int64), offset + 2 + _integer(read_byte, offset + 2, 2))
    value = _read_tiff_orientation(_byte_reader(data, end), offset + 10)
    is_valid = is_exif(offset) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(is_valid, value, tf.ones_like(value)), tf.int32)


def _read_tiff_orientation(read_byte, start) -> tf.Tensor:
    """Reads the first orientation in a TIFF's first directory: scalar int64, 1 without one."""
    is_little_endian = [read_byte(start + at) == mark for at, mark in enumerate(b'II*\0')]
    big = ~tf.reduce_all(is_little_endian)
    directory = start + _integer(read_byte, start + 4, 4, big)
    entries = tf.minimum(_integer(read_byte, directory, 2, big), _MAX_TIFF_ENTRIES)
    offsets = directory + 2 + 12 * tf.range(entries)
    is_orientation = _integer(read_byte, offsets, 2, big) == headers.ORIENTATION_TAG
    is_orientation &= _integer(read_byte, offsets + 2, 2, big) == headers.SHORT_TYPE
    is_orientation &= _integer(read_byte, offsets + 4, 4, big) == 1
    values = tf.boolean_mask(_integer(read_byte, offsets + 8, 2, big), is_orientation)
    return tf.concat([values, [1]], 0)[0]


def _byte_reader(data: tf.Tensor, end: tf.Tensor):
    """Returns a function from offsets, int64, to the bytes there, int64; 0 outside the data."""

    def read_byte(offset):
        is_inside = (offset >= 0) & (offset < end)
        values = tf.gather(data, tf.where(is_inside, offset, tf.zeros_like(offset)))
        return tf.where(is_inside, tf.cast(values, tf.int64), tf.zeros_like(offset))

    return read_byte


def _integer(read_byte, offset, size: int, is_big_endian=True) -> tf.Tensor:
    parts = [read_byte(offset + at) for at in range(size)]
    value = tf.zeros_like(offset)
    for at in range(size):
        value = value * 256 + tf.where(is_big_endian, parts[at], parts[size - 1 - at])
    return value
