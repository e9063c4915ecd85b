"""What a picture's first bytes say, in TensorFlow operations, for graphs that strangers serve.

`headers` says the same to Python, which can read a file before it starts a graph.
"""

import tensorflow as tf

from input_pipeline import gif, headers

_FIRST = 32  # bytes, in which all formats but JPEG and GIF say their size
_HEAD = 1 << 18  # bytes; EXIF comes before pixels
_MOST_SEGMENTS, _MOST_ENTRIES = 256, 512
_SEGMENT, _SCAN, _APP1 = 0xFF, 0xDA, 0xE1
_ORIENTATION, _SHORT = 0x0112, 3  # of EXIF


def problem(
    encoded: tf.Tensor,
    *,
    most_bytes: int = headers.MOST_BYTES,
    most_pixels: int = headers.MOST_PIXELS,
) -> tf.Tensor:
    """Why a picture is not to be decoded: scalar string, '' where nothing speaks against it.

    Args:
        encoded: Scalar string.
        most_bytes: That it may have.
        most_pixels: That it may claim.

    Raises:
        tf.errors.InvalidArgumentError: A broken JPEG header.
    """
    length = tf.strings.length(encoded)
    start = tf.strings.substr(encoded, 0, tf.minimum(length, _FIRST))

    def claimed():
        width, height = _size(encoded, start)
        pixels = width * height  # of numbers below 2^32
        said = tf.strings.join(
            [tf.as_string(width), ' x ', tf.as_string(height), ' pixels; from 1']
        )
        said = tf.strings.join([said, f' to {most_pixels:,} are read'])
        return tf.where((width > 0) & (height > 0) & (pixels <= most_pixels), '', said)

    return tf.case(
        [
            (length == 0, lambda: tf.constant('it is empty')),
            (
                length > most_bytes,
                lambda: tf.constant(f'too many bytes; at most {most_bytes:,} are read'),
            ),
            (_is_known(start), claimed),
        ],
        default=lambda: tf.constant('not a picture: neither JPEG, PNG, GIF, BMP nor WebP'),
    )


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """A JPEG's EXIF orientation: scalar int32, 1 to 8; 1, upright, of all else."""
    return tf.cond(
        _begins(encoded, b'\xff\xd8\xff'), lambda: _exif(encoded), lambda: tf.constant(1)
    )


def _begins(encoded: tf.Tensor, with_: bytes, at: int = 0) -> tf.Tensor:
    enough = tf.strings.length(encoded) >= at + len(with_)
    return enough & (tf.strings.substr(encoded, tf.where(enough, at, 0), len(with_)) == with_)


def _is_known(start: tf.Tensor) -> tf.Tensor:
    plain = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'GIF8', b'BM')
    known = [_begins(start, each) for each in plain]
    return tf.reduce_any([*known, _begins(start, b'RIFF') & _begins(start, b'WEBP', 8)])


def _size(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(width, height) int64, as the header claims."""
    padded = tf.strings.substr(tf.strings.join([start, bytes(_FIRST)]), 0, _FIRST)
    data = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int64)

    def number(at, size, *, big=False, bits=32):
        places = range(at, at + size)
        value = tf.constant(0, tf.int64)
        for place in places if big else reversed(places):
            value = value * 256 + data[place]
        return value & ((1 << bits) - 1)

    def png():
        return number(16, 4, big=True), number(20, 4, big=True)

    def jpeg():
        shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64)
        return shape[1], shape[0]

    def animated():  # the screen, or the picture on it, whichever is larger
        _, width, height = gif.first_picture(encoded)
        return tf.maximum(number(6, 2), width), tf.maximum(number(8, 2), height)

    def bitmap():  # the height of one that begins at the top is negative
        sizes = [number(18, 4), number(22, 4)]
        width, height = (tf.where(each >= 1 << 31, each - (1 << 32), each) for each in sizes)
        return width, tf.abs(height)

    def lossless():
        bits = number(21, 4)
        return (bits & 0x3FFF) + 1, (bits // (1 << 14) & 0x3FFF) + 1

    return tf.case(
        [
            (_begins(start, b'\xff\xd8\xff'), jpeg),
            (
                _begins(start, b'\x89PNG'),
                lambda: (number(16, 4, big=True), number(20, 4, big=True)),
            ),
            (_begins(start, b'GIF8'), animated),
            (_begins(start, b'BM'), bitmap),
            (_begins(start, b'VP8 ', 12), lambda: (number(26, 2, bits=14), number(28, 2, bits=14))),
            (_begins(start, b'VP8L', 12), lossless),
        ],
        default=lambda: (number(24, 3) + 1, number(27, 3) + 1),
    )


def _exif(encoded: tf.Tensor) -> tf.Tensor:
    head = tf.strings.substr(encoded, 0, tf.minimum(tf.strings.length(encoded), _HEAD))
    data = tf.io.decode_raw(head, tf.uint8)
    number = tf.size(data, tf.int64)

    def byte(at):
        inside = (at >= 0) & (at < number)
        values = tf.gather(data, tf.where(inside, at, tf.zeros_like(at)))
        return tf.where(inside, tf.cast(values, tf.int64), tf.zeros_like(at))

    def whole(at, size, big):
        places = [byte(at + each) for each in range(size)]
        value = tf.zeros_like(at)
        for each in range(size):
            value = value * 256 + tf.where(big, places[each], places[size - 1 - each])
        return value

    def is_exif(at):
        marks = enumerate((_SEGMENT, _APP1, None, None, *b'Exif\0\0'))
        return tf.reduce_all([byte(at + each) == mark for each, mark in marks if mark is not None])

    def goes_on(at):
        segment = (byte(at) == _SEGMENT) & (byte(at + 1) != _SCAN)
        return (at < number) & segment & ~is_exif(at)

    (at,) = tf.while_loop(
        goes_on,
        lambda at: (at + 2 + whole(at + 2, 2, True),),
        (tf.constant(2, tf.int64),),
        maximum_iterations=_MOST_SEGMENTS,
    )
    tiff = at + 10
    big = byte(tiff) != ord('I')
    directory = tiff + whole(tiff + 4, 4, big)
    entries = tf.minimum(whole(directory, 2, big), _MOST_ENTRIES)
    places = directory + 2 + 12 * tf.range(entries)
    wanted = (whole(places, 2, big) == _ORIENTATION) & (whole(places + 2, 2, big) == _SHORT)
    wanted &= whole(places + 4, 4, big) == 1
    values = tf.boolean_mask(whole(places + 8, 2, big), wanted)
    value = tf.concat([values, [1]], 0)[0]
    fits = is_exif(at) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(fits, value, tf.ones_like(value)), tf.int32)
