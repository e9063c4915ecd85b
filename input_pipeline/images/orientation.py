"""Reads an image's orientation from EXIF or XMP, in Python and in graphs; applies it.

It reads the same values as Pillow's `ImageOps.exif_transpose`.
"""

import re
import struct

import tensorflow as tf

from input_pipeline.images import graph_bytes

UPRIGHT = 1
EXIF = b'Exif\0\0'  # before a TIFF in a JPEG, and sometimes in a WebP
_TAG = 0x0112
_LITTLE_ENDIAN, _BIG_ENDIAN = (b'II*\0', b'II\0*'), (b'MM\0*', b'MM*\0')
_SHORTS, _LONGS = (3, 8), (4, 9)  # types of entries: unsigned and signed
_MAX_ENTRIES = 512
_MAX_BYTES = 1 << 18  # of EXIF
_XMP_NAME = 'tiff:Orientation'
_XMP = re.compile(_XMP_NAME.encode() + rb'(?:="|>)([0-9])')
_UNKNOWN = 0


def read(exif: bytes, xmp: bytes) -> int:
    """Reads the orientation, 1 (upright) to 8, from EXIF or, if it has none, from XMP.

    >>> read(b'', b'<rdf:Description tiff:Orientation="6"/>')
    6

    Args:
        exif: A TIFF, perhaps after 'Exif' and two zeros; or nothing.
        xmp: The text of an XMP packet; or nothing.
    """
    value = _read_tiff(exif.removeprefix(EXIF)[:_MAX_BYTES])
    if value == _UNKNOWN and (match := _XMP.search(xmp)):
        value = int(match[1])
    return value if 1 <= value <= 8 else UPRIGHT


def read_in_graph(exif: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    """Computes `read` in a graph: scalar strings -> scalar int32."""
    is_marked = tf.strings.substr(exif, 0, len(EXIF)) == EXIF
    start = tf.where(is_marked, len(EXIF), 0)
    tiff = tf.strings.substr(exif, start, _MAX_BYTES)
    value = tf.cond(exif != '', lambda: _read_tiff_in_graph(tiff), lambda: _int64(_UNKNOWN))
    has_xmp = (value == _UNKNOWN) & (xmp != '')
    value = tf.cond(has_xmp, lambda: _read_xmp_in_graph(xmp), lambda: value)
    is_valid = (value >= 1) & (value <= 8)
    return tf.cast(tf.where(is_valid, value, UPRIGHT), tf.int32)


def apply(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
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
    return tf.ensure_shape(upright, [None, None, image.shape[-1]])


def _read_tiff(tiff: bytes) -> int:
    """Reads the last orientation in a TIFF's first directory; 9 if it is invalid."""
    if tiff[:4] not in _LITTLE_ENDIAN + _BIG_ENDIAN:
        return _UNKNOWN
    order, orientation = ('<' if tiff[:4] in _LITTLE_ENDIAN else '>'), _UNKNOWN
    try:
        (directory,) = struct.unpack_from(f'{order}I', tiff, 4)
        (entries,) = struct.unpack_from(f'{order}H', tiff, directory)
        for number in range(min(entries, _MAX_ENTRIES)):
            offset = directory + 2 + 12 * number
            tag, type_, count = struct.unpack_from(f'{order}HHI', tiff, offset)
            (long,) = struct.unpack_from(f'{order}I', tiff, offset + 8)
            (short,) = struct.unpack_from(f'{order}H', tiff, offset + 8)
            if tag == _TAG:
                # An entry holds one long, or two shorts: the first one counts.
                value, most = (short, 2) if type_ in _SHORTS else (long, int(type_ in _LONGS))
                orientation = value if 1 <= count <= most else 9
    except struct.error:
        pass
    return orientation


@graph_bytes.keep_apart
def _read_tiff_in_graph(tiff: tf.Tensor) -> tf.Tensor:
    data = graph_bytes.Bytes(tiff)
    start = tf.strings.substr(tiff, 0, 4)
    little, big = (tf.reduce_any(start == list(marks)) for marks in (_LITTLE_ENDIAN, _BIG_ENDIAN))
    directory = data.read_integer(4, 4, big)
    entries = tf.minimum(data.read_integer(directory, 2, big), _MAX_ENTRIES)
    entries = tf.minimum(entries, tf.maximum(data.size - directory - 2, 0) // 12)
    offsets = directory + 2 + 12 * tf.range(entries)
    types = data.read_integer(offsets + 2, 2, big)
    is_short, is_long = (_is_any(types, kinds) for kinds in (_SHORTS, _LONGS))
    counts = data.read_integer(offsets + 4, 4, big)
    is_valid = (counts >= 1) & ((is_short & (counts <= 2)) | (is_long & (counts == 1)))
    shorts, longs = (data.read_integer(offsets + 8, size, big) for size in (2, 4))
    values = tf.where(is_valid, tf.where(is_short, shorts, longs), 9)
    values = tf.boolean_mask(values, data.read_integer(offsets, 2, big) == _TAG)
    last = tf.concat([[_int64(_UNKNOWN)], values], 0)[-1]
    is_whole = (data.size >= 8) & (directory + 2 <= data.size)
    return tf.where((little | big) & is_whole, last, _UNKNOWN)


@graph_bytes.keep_apart
def _read_xmp_in_graph(xmp: tf.Tensor) -> tf.Tensor:
    """Reads the digit after the first name that is followed by '="' or '>' and a digit."""
    heads = tf.strings.substr(tf.strings.split([xmp], _XMP_NAME).values[1:], 0, 3)
    is_attribute = tf.strings.regex_full_match(heads, '="[0-9]')
    tags = tf.strings.substr(heads, 0, 2)
    digits = tf.where(
        is_attribute,
        tf.strings.regex_replace(heads, '^="', ''),
        tf.strings.regex_replace(tags, '^>', ''),
    )
    is_found = is_attribute | tf.strings.regex_full_match(tags, '>[0-9]')
    digits = tf.concat([tf.boolean_mask(digits, is_found), [str(_UNKNOWN)]], 0)
    return tf.strings.to_number(digits[0], tf.int64)


def _is_any(values: tf.Tensor, wanted) -> tf.Tensor:
    return tf.reduce_any(values[:, None] == list(wanted), 1)


def _int64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)
