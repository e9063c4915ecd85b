"""What a picture's first bytes say, in TensorFlow operations, for graphs that strangers serve.

`headers` says the same to Python, which can read a file before it starts a graph.
"""

import tensorflow as tf

from input_pipeline.images import gif, headers

_FIRST = 32  # bytes, in which all formats but JPEG and GIF say their size
_HEAD = 1 << 18  # bytes; EXIF comes before pixels
_MOST_ENTRIES = 512
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
        unread = _unread_kind(encoded, start)
        return tf.where(unread != '', unread, size_problem(width, height, most_pixels))

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


def size_problem(width: tf.Tensor, height: tf.Tensor, most_pixels: int) -> tf.Tensor:
    """Why a picture of a size, scalars int64 below 2^32, is not read: scalar string, or ''."""
    said = [tf.as_string(width), ' x ', tf.as_string(height)]
    said = tf.strings.join([*said, f' pixels; from 1 to {most_pixels:,} are read'])
    fits = (width > 0) & (height > 0) & (width * height <= most_pixels)
    return tf.where(fits, '', said)


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """A JPEG's EXIF orientation: scalar int32, 1 to 8; 1, upright, of all else."""
    return tf.cond(
        _begins(encoded, b'\xff\xd8\xff'), lambda: _exif(encoded), lambda: tf.constant(1)
    )


def _begins(encoded: tf.Tensor, with_: bytes, at: int = 0) -> tf.Tensor:
    enough = tf.strings.length(encoded) >= at + len(with_)
    return enough & (tf.strings.substr(encoded, tf.where(enough, at, 0), len(with_)) == with_)


def _is_known(start: tf.Tensor) -> tf.Tensor:
    plain = (b'\xff\xd8\xff', headers.PNG, b'GIF8', b'BM')
    known = [_begins(start, each) for each in plain]
    webps = [tf.reduce_all([_begins(start, *mark) for mark in kind]) for kind in headers.WEBPS]
    is_webp = _begins(start, b'RIFF') & _begins(start, b'WEBP', 8) & tf.reduce_any(webps)
    return tf.reduce_any([*known, is_webp])


def _unread_kind(encoded: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """What is not read of a format that is: scalar string, or ''."""
    data = tf.cast(_bytes(start), tf.int32)
    bits = data[28] + 256 * data[29]
    depth = tf.strings.join([tf.as_string(bits), headers.BITS])
    old = (data[14] < headers.BMP_HEADER) & (data[15] == 0)
    bmp = tf.where(old, headers.OLD_BMP, tf.where((bits == 24) | (bits == 32), '', depth))
    moves = _begins(start, b'VP8X', 12) & (data[20] & headers.ANIMATED > 0)

    def jpeg():
        data = tf.io.decode_raw(encoded, tf.uint8)
        scans = tf.reduce_sum(tf.cast((data[:-1] == _SEGMENT) & (data[1:] == _SCAN), tf.int32))
        return tf.where(scans > headers.MOST_SCANS, headers.SCANS, '')

    return tf.case(
        [
            (_begins(start, b'\xff\xd8\xff'), jpeg),
            (_begins(start, b'BM'), lambda: bmp),
            (moves, lambda: tf.constant(headers.MOVING_WEBP)),
        ],
        default=lambda: tf.constant(''),
    )


def _bytes(start: tf.Tensor) -> tf.Tensor:
    """The first bytes, (_FIRST,) uint8, zeros after the end."""
    padded = tf.strings.substr(tf.strings.join([start, bytes(_FIRST)]), 0, _FIRST)
    return tf.ensure_shape(tf.io.decode_raw(padded, tf.uint8), [_FIRST])


def _size(encoded: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(width, height) int64, as the header claims."""
    data = tf.cast(_bytes(start), tf.int64)

    def jpeg():
        shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.int64)
        return shape[1], shape[0]

    def animation():  # the screen, or the picture on it, whichever is larger
        _, width, height = gif.first_picture(encoded)
        seen = tf.maximum(_number(data, 6, 2), width), tf.maximum(_number(data, 8, 2), height)
        return tuple(tf.where(width > 0, each, 0) for each in seen)

    def bitmap():  # the height of one that begins at the top is negative
        sizes = (_number(data, at, 4) for at in (18, 22))
        width, height = (tf.where(each >= 1 << 31, each - (1 << 32), each) for each in sizes)
        return width, tf.abs(height)

    def lossy():
        return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF

    def lossless():
        bits = _number(data, 21, 4)
        return (bits & 0x3FFF) + 1, (bits // (1 << 14) & 0x3FFF) + 1

    return tf.case(
        [
            (_begins(start, b'\xff\xd8\xff'), jpeg),
            (_begins(start, headers.PNG), lambda: (_big(data, 16), _big(data, 20))),
            (_begins(start, b'GIF8'), animation),
            (_begins(start, b'BM'), bitmap),
            (_begins(start, b'VP8 ', 12), lossy),
            (_begins(start, b'VP8L', 12), lossless),
        ],
        default=lambda: (_number(data, 24, 3) + 1, _number(data, 27, 3) + 1),
    )


def _number(data: tf.Tensor, at: int, size: int) -> tf.Tensor:
    """A number of some bytes, its lowest first."""
    return tf.add_n([data[at + each] * 256**each for each in range(size)])


def _big(data: tf.Tensor, at: int) -> tf.Tensor:
    """A number of four bytes, its highest first."""
    return _number(data[::-1], _FIRST - at - 4, 4)


def _exif(encoded: tf.Tensor) -> tf.Tensor:
    head = tf.strings.substr(encoded, 0, tf.minimum(tf.strings.length(encoded), _HEAD))
    data = tf.io.decode_raw(head, tf.uint8)
    byte = _reader(data, tf.size(data, tf.int64))

    def is_exif(at):
        marks = enumerate((_SEGMENT, _APP1, None, None, *b'Exif\0\0'))
        return tf.reduce_all([byte(at + each) == mark for each, mark in marks if mark is not None])

    def goes_on(at):
        return (byte(at) == _SEGMENT) & (byte(at + 1) != _SCAN) & ~is_exif(at)

    def next_one(at):  # any number of 0xff may stand before a segment
        fills = byte(at + 1) == _SEGMENT
        return (at + tf.where(fills, tf.ones_like(at), 2 + _whole(byte, at + 2, 2)),)

    (at,) = tf.while_loop(
        goes_on,
        next_one,
        (tf.constant(2, tf.int64),),
        maximum_iterations=headers.MOST_SEGMENTS,
    )
    end = tf.minimum(tf.size(data, tf.int64), at + 2 + _whole(byte, at + 2, 2))
    value = _tiff_orientation(_reader(data, end), at + 10)
    fits = is_exif(at) & (value >= 1) & (value <= 8)
    return tf.cast(tf.where(fits, value, tf.ones_like(value)), tf.int32)


def _tiff_orientation(byte, start) -> tf.Tensor:
    """The first orientation in a TIFF's first directory: scalar int64; 1 if there is none."""
    low_first = [byte(start + each) == mark for each, mark in enumerate(b'II*\0')]
    big = ~tf.reduce_all(low_first)
    directory = start + _whole(byte, start + 4, 4, big)
    entries = tf.minimum(_whole(byte, directory, 2, big), _MOST_ENTRIES)
    places = directory + 2 + 12 * tf.range(entries)
    wanted = _whole(byte, places, 2, big) == _ORIENTATION
    wanted &= _whole(byte, places + 2, 2, big) == _SHORT
    wanted &= _whole(byte, places + 4, 4, big) == 1
    values = tf.boolean_mask(_whole(byte, places + 8, 2, big), wanted)
    return tf.concat([values, [1]], 0)[0]


def _reader(data: tf.Tensor, end: tf.Tensor):
    """Places int64 -> the bytes there, int64; 0 outside."""

    def byte(at):
        inside = (at >= 0) & (at < end)
        values = tf.gather(data, tf.where(inside, at, tf.zeros_like(at)))
        return tf.where(inside, tf.cast(values, tf.int64), tf.zeros_like(at))

    return byte


def _whole(byte, at, size: int, big=True) -> tf.Tensor:
    """The number of some bytes at each place, its highest first where `big`."""
    places = [byte(at + each) for each in range(size)]
    value = tf.zeros_like(at)
    for each in range(size):
        value = value * 256 + tf.where(big, places[each], places[size - 1 - each])
    return value
