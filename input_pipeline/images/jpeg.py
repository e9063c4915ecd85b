"""Walks the segments of a JPEG, in Python and in graphs: scans, EXIF, XMP, ICC profile, Adobe.

A walk ends with the image and jumps over the content of segments, as decoders do: data inside
segments or behind the end (a preview, the film of a motion photo) is not the image. In Python a
walk takes microseconds; `prepare` needs one for every image.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from input_pipeline.images import graph_bytes, orientation

MAX_SCANS = 100  # each is a pass over all pixels; encoders make about ten
MAX_HEAD_BYTES = 1 << 20  # in which EXIF, XMP, ICC profile and Adobe's mark are
_DOUBLINGS = 11
_MAX_SEGMENTS = 1 << _DOUBLINGS
_START, _END, _SCAN, _APP1, _APP2, _APP14, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xEE, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others are tables
_FRAME = struct.Struct('>xHHB')  # height, width, channels
_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')  # the others stand in scans
_SCANS = re.compile(rb'\xff\xda')
_XMP, _PROFILE, _ADOBE = b'http://ns.adobe.com/xap/1.0/\0', b'ICC_PROFILE\0', b'Adobe'
_PROFILE_PART_BYTES = 2  # which part of how many
# Version 100, no flags, no transformation: inverted CMYK.
_ADOBE_SEGMENT = b'\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0'


class Metadata(NamedTuple):
    """Metadata on how to show the pixels of a file: Python values, or tensors in a graph.

    Attributes:
        orientation: EXIF orientation, 1 (upright) to 8, int32.
        profile: ICC profile, or ''.
    """

    orientation: int | tf.Tensor
    profile: bytes | tf.Tensor


def has_too_many_scans(encoded: bytes) -> bool:
    """Returns whether a JPEG has more than MAX_SCANS scans, or segments without end."""
    # Counted anywhere in the file, which is much faster than a walk; `findall` beats `count`.
    if len(_SCANS.findall(encoded)) <= MAX_SCANS:
        return False
    markers = [marker for marker, _, _ in _iterate_segments(encoded)]
    return markers.count(_SCAN) > MAX_SCANS or len(markers) == _MAX_SEGMENTS


def has_too_many_scans_in_graph(encoded: tf.Tensor) -> tf.Tensor:
    """Computes `has_too_many_scans` in a graph."""
    data = tf.io.decode_raw(encoded, tf.uint8)
    scans = tf.reduce_sum(tf.cast((data[:-1] == 0xFF) & (data[1:] == _SCAN), tf.int32))

    return tf.cond(
        scans > MAX_SCANS, lambda: _walks_too_many_scans(encoded), lambda: tf.constant(False)
    )


class Header(NamedTuple):
    """The header of a JPEG.

    Attributes:
        width: Width in pixels; 0 if it is not there.
        height: Height in pixels.
        channels: Number of channels.
        metadata: How to show it; of a profile in several parts, the first part.
    """

    width: int
    height: int
    channels: int
    metadata: Metadata


def read_header(encoded: bytes) -> Header:
    """Reads the size, the orientation and the ICC profile."""
    head, exif, xmp, profiles, size = encoded[:MAX_HEAD_BYTES], [], [], [], (0, 0, 0)
    for marker, start, end in _iterate_segments(head):
        if marker == _SCAN:
            break
        if marker in _FRAMES and end - start >= _FRAME.size:
            height, width, channels = _FRAME.unpack_from(head, start)
            size = (width, height, channels)
        elif marker == _APP1 and head.startswith(orientation.EXIF, start):
            exif.append(head[start:end])
        elif marker == _APP1 and head.startswith(_XMP, start):
            xmp.append(head[start + len(_XMP) : end])
        elif marker == _APP2 and head.startswith(_PROFILE, start):
            profiles.append(head[start + len(_PROFILE) + _PROFILE_PART_BYTES : end])
    upright = orientation.read(exif[0] if exif else b'', xmp[-1] if xmp else b'')
    return Header(*size, Metadata(upright, profiles[0] if profiles else b''))


def read_metadata(encoded: bytes) -> Metadata:
    """Reads orientation and ICC profile; of a profile in several parts, the first part."""
    return read_header(encoded).metadata


def read_metadata_in_graph(encoded: tf.Tensor) -> Metadata:
    """Computes `read_metadata` in a graph."""
    head = tf.strings.substr(encoded, 0, MAX_HEAD_BYTES)
    data = graph_bytes.Bytes(head)
    offsets, markers, _ = _walk(head, tf.constant([_SCAN, _END], tf.int64))

    def read_content(marker, mark, index, skipped):
        starts = 4 + tf.boolean_mask(offsets, markers == marker)
        starts = tf.boolean_mask(starts, data.starts_with(starts, mark))

        def read():
            start = starts[index]
            end = tf.minimum(start - 2 + data.read_integer(start - 2, 2), data.size)
            start = tf.minimum(start + skipped, end)
            return tf.strings.substr(head, start, end - start)

        return tf.cond(tf.size(starts) > 0, read, lambda: tf.constant(''))

    exif = read_content(_APP1, orientation.EXIF, 0, 0)
    xmp = read_content(_APP1, _XMP, -1, len(_XMP))
    profile = read_content(_APP2, _PROFILE, 0, len(_PROFILE) + _PROFILE_PART_BYTES)
    return Metadata(orientation.read_in_graph(exif, xmp), profile)


@graph_bytes.keep_apart
def assume_adobe(encoded: tf.Tensor) -> tf.Tensor:
    """Marks an unmarked CMYK JPEG as Adobe's, whose CMYK is inverted, as Pillow assumes."""
    head = tf.strings.substr(encoded, 0, MAX_HEAD_BYTES)
    offsets, markers, _ = _walk(head, tf.constant([_SCAN, _END], tf.int64))
    starts = 4 + tf.boolean_mask(offsets, markers == _APP14)
    is_marked = tf.reduce_any(graph_bytes.Bytes(head).starts_with(starts, _ADOBE))
    start, rest = tf.strings.substr(encoded, 0, 2), tf.strings.substr(encoded, 2, 2**31 - 1)
    return tf.where(is_marked, encoded, tf.strings.join([start, _ADOBE_SEGMENT, rest]))


@graph_bytes.keep_apart
def _walks_too_many_scans(encoded: tf.Tensor) -> tf.Tensor:
    _, markers, is_last = _walk(encoded, tf.constant([_END, _END], tf.int64))
    return (tf.reduce_sum(tf.cast(markers == _SCAN, tf.int32)) > MAX_SCANS) | ~is_last


def _iterate_segments(encoded: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the marker of each segment, and where its content starts and ends."""
    offset = 0
    for _ in range(_MAX_SEGMENTS):
        match = _MARKER.search(encoded, offset)
        if not match:
            return
        offset, marker = match.start(), encoded[match.start() + 1]
        if marker in (_START, _TEMPORARY):
            offset += 2
        else:
            offset += 2 + int.from_bytes(encoded[offset + 2 : offset + 4], 'big')
        yield marker, match.start() + 4, min(offset, len(encoded))
        if marker == _END:
            return


@graph_bytes.keep_apart
def _walk(encoded: tf.Tensor, ends: tf.Tensor):
    """Walks at most _MAX_SEGMENTS segments, up to one of the markers `ends`, (2,) int64.

    A loop in a graph would take longer than the decoder. So every possible marker is treated as if
    it started a segment, and gets the index of the next marker behind that segment. The path from
    the first marker is then doubled step by step: the next of each, the second next of each, the
    fourth, ...

    Returns:
        Offsets, int64, and markers, int64, of the segments in order, and whether this is all.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    offsets = tf.where(data[:-1] == 0xFF)[:, 0]
    markers = tf.cast(tf.gather(data, offsets + 1), tf.int64)
    is_marker = (markers != 0) & (markers != 0xFF) & ((markers < 0xD0) | (markers > 0xD7))
    offsets, markers = tf.boolean_mask(offsets, is_marker), tf.boolean_mask(markers, is_marker)
    number, size = tf.size(offsets), tf.size(data, tf.int64)
    lengths = [tf.gather(data, tf.minimum(offsets + at, size - 1)) for at in (2, 3)]
    lengths = 256 * tf.cast(lengths[0], tf.int64) + tf.cast(lengths[1], tf.int64)
    is_alone = (markers == _START) | (markers == _TEMPORARY)
    next_ = tf.searchsorted(offsets, offsets + 2 + tf.where(~is_alone, lengths, 0))
    is_end = tf.reduce_any(markers[:, None] == ends, 1)
    # Behind the last is `number`, which leads to itself.
    next_ = tf.concat([tf.where(is_end, number, next_), [number]], 0)
    path = tf.zeros([1], tf.int32)
    for _ in range(_DOUBLINGS):
        path = tf.concat([path, tf.gather(next_, path)], 0)
        next_ = tf.gather(next_, next_)
    path, is_complete = tf.boolean_mask(path, path < number), path[-1] == number
    return tf.gather(offsets, path), tf.gather(markers, path), is_complete
