"""Finds chunks of PNG and WebP files, in graphs; metadata may precede or follow the pixels."""

from collections.abc import Sequence

import tensorflow as tf

from input_pipeline.images import graph_bytes, jpeg, orientation

MAX_CHUNKS = 50_000  # up to a file's end: 400 MB in chunks as libpng writes them; a second
TOO_MANY_CHUNKS = f'a file of more than {MAX_CHUNKS:,} chunks is not read'
# Of all texts of a PNG that may be compressed: libpng unpacks them, to a thousand times as much.
MAX_TEXT_BYTES = 1 << 18
TOO_MUCH_TEXT = f'a PNG of more than {MAX_TEXT_BYTES:,} bytes of compressed texts is not read'
_PNG_START, _WEBP_START, _HEADER_BYTES, _CHECKSUM_BYTES = 8, 12, 8, 4
_MAX_NAME_BYTES, _MAX_PROFILE_BYTES = 80, 1 << 16  # of a PNG's compressed profile
_XMP = 'XML:com.adobe.xmp\0\0'  # not compressed


class Chunks:
    """The chunks with given names of a PNG or a WebP; the last one if a name repeats.

    Of a PNG's texts, iTXt, only XMP counts.

    Args:
        encoded: Scalar string, a whole file.
        names: Names of the chunks to find.
        is_png: Whether it is a PNG.

    Raises, when run:
        tf.errors.InvalidArgumentError: There are more than MAX_CHUNKS, or more than MAX_TEXT_BYTES.
    """

    def __init__(self, encoded: tf.Tensor, names: Sequence[str], *, is_png: bool):
        self._encoded, self._names = encoded, list(names)
        self._starts, self._sizes = _find_chunks(encoded, names, is_png=is_png)

    def has(self, name: str) -> tf.Tensor:
        """Returns whether there is such a chunk."""
        return self._starts[self._names.index(name)] > 0

    def read(self, name: str) -> tf.Tensor:
        """Reads a chunk's content; '' if there is no such chunk, or it is cut off."""
        start, size = (values[self._names.index(name)] for values in (self._starts, self._sizes))
        is_whole = start + size <= tf.cast(tf.strings.length(self._encoded), tf.int64)
        return tf.strings.substr(self._encoded, start, tf.where(is_whole, size, 0))


def read_png_metadata(chunks: Chunks) -> jpeg.Metadata:
    """Reads orientation and ICC profile from eXIf, iTXt (XMP) and iCCP."""
    upright = orientation.read_in_graph(chunks.read('eXIf'), chunks.read('iTXt'))
    return jpeg.Metadata(upright, _decompress_profile(chunks.read('iCCP')))


def read_webp_metadata(chunks: Chunks) -> jpeg.Metadata:
    """Reads orientation and ICC profile from EXIF, XMP and ICCP."""
    upright = orientation.read_in_graph(chunks.read('EXIF'), chunks.read('XMP '))
    return jpeg.Metadata(upright, chunks.read('ICCP'))


def _find_chunks(encoded: tf.Tensor, names: Sequence[str], *, is_png: bool):
    """Returns where the content of each chunk starts, 0 if there is none, and its size, int64."""
    order = 'big' if is_png else 'little'
    wanted = tf.constant([int.from_bytes(name.encode(), order, signed=True) for name in names])
    last, text, compressed = (
        int.from_bytes(name, order, signed=True) for name in (b'IEND', b'iTXt', b'zTXt')
    )
    length = tf.cast(tf.strings.length(encoded), tf.int64)

    def has_more(offset, number, *_):
        return (offset + _HEADER_BYTES <= length) & (number < MAX_CHUNKS)

    def read(offset, number, starts, sizes, text_bytes):
        header = tf.strings.substr(encoded, offset, _HEADER_BYTES)
        integers = tf.io.decode_raw(header, tf.int32, little_endian=not is_png)
        name, signed = (integers[1], integers[0]) if is_png else (integers[0], integers[1])
        size = tf.cast(tf.bitcast(signed, tf.uint32), tf.int64)
        start, is_wanted = offset + _HEADER_BYTES, name == wanted
        if is_png:  # of texts, there may be any number
            is_xmp = tf.strings.substr(encoded, start, len(_XMP)) == _XMP
            is_wanted &= is_xmp | (wanted != text)
            is_text = (name == compressed) | ((name == text) & ~is_xmp)
            text_bytes += tf.where(is_text, size, 0)
        following = start + size + (_CHECKSUM_BYTES if is_png else size % 2)
        starts = tf.where(is_wanted, start, starts)
        following = tf.where(name == last, length, following)
        return following, number + 1, starts, tf.where(is_wanted, size, sizes), text_bytes

    none = tf.zeros([len(names)], tf.int64)
    start = tf.constant(_PNG_START if is_png else _WEBP_START, tf.int64)
    state = start, 0, none, none, tf.constant(0, tf.int64)
    _, number, starts, sizes, text_bytes = tf.while_loop(has_more, read, state)
    checks = [
        tf.debugging.Assert(number < MAX_CHUNKS, [TOO_MANY_CHUNKS]),
        tf.debugging.Assert(text_bytes <= MAX_TEXT_BYTES, [TOO_MUCH_TEXT]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(starts), sizes


def _decompress_profile(chunk: tf.Tensor) -> tf.Tensor:
    """Decompresses the profile behind its name, a zero, and the method of compression."""
    data = graph_bytes.Bytes(chunk)
    name_bytes = tf.argmin(data.read(tf.range(_MAX_NAME_BYTES, dtype=tf.int64)))
    start = tf.minimum(name_bytes + 2, data.size)
    has_header = data.read_integer(start, 2) % 31 == 0  # as every zlib stream
    is_readable = (data.size > start) & (data.size <= _MAX_PROFILE_BYTES) & has_header
    compressed = tf.strings.substr(chunk, start, tf.where(is_readable, data.size, 0))
    return tf.cond(
        is_readable,
        lambda: tf.io.decode_compressed(compressed, 'ZLIB'),
        lambda: tf.constant(''),
    )
