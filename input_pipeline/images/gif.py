"""Decodes the first frame of a GIF and its transparency, in TensorFlow operations.

TensorFlow's decoder unpacks all frames of an animation before it returns the first: a file of a
megabyte can ask for gigabytes. It also makes transparent pixels black. It is therefore given a GIF
of the first frame alone, without extensions; if that has a transparent colour, it is given a second
one, with a palette in which this colour is white and all others are black.
"""

from typing import NamedTuple

import tensorflow as tf

from input_pipeline.images import graph_bytes

MAX_BLOCKS = 50_000  # data blocks up to the first frame's end: 12 MB of full ones, a second
_HEADER_BYTES, _DESCRIPTOR_BYTES = 13, 10
_EXTENSION, _GRAPHIC_CONTROL, _IMAGE, _TRAILER = 0x21, 0xF9, 0x2C, b';'
_HAS_COLOR_TABLE, _COLOR_TABLE_SIZE = 0x80, 0x07  # bits of the flags
_MAX_TABLE_BYTES = 3 * 256
_NO_COLOR = -1


class Frame(NamedTuple):
    """The first frame of a GIF.

    Attributes:
        encoded: Scalar string, a GIF of the frame alone. For a file that is not a GIF, or is
            truncated, a broken file; '' for one with more than MAX_BLOCKS data blocks.
        canvas: (2,) int64, width and height of the screen, enlarged if the frame exceeds it;
            zeros without a frame.
        corner: (2,) int64, the frame's left and top on the canvas.
        transparent: Scalar int32, index of the transparent colour; -1 without one.
        palette: (2,) int32, where the palette starts in `encoded`, and its bytes.
    """

    encoded: tf.Tensor
    canvas: tf.Tensor
    corner: tf.Tensor
    transparent: tf.Tensor
    palette: tf.Tensor


@graph_bytes.keep_apart
def extract_first_frame(encoded: tf.Tensor) -> Frame:
    """Extracts the first frame of a GIF, scalar string."""
    data = tf.io.decode_raw(encoded, tf.uint8)
    descriptor, blocks_before, transparent = _skip_extensions(data)
    end, blocks_within = _skip_pixels(data, descriptor)
    is_readable = tf.maximum(blocks_before, blocks_within) < MAX_BLOCKS
    screen = tf.stack([_short(data, 6), _short(data, 8)])
    corner, size = (
        tf.stack([_short(data, descriptor + at), _short(data, descriptor + at + 2)])
        for at in (1, 5)
    )
    has_frame = (_byte(data, descriptor) == _IMAGE) & is_readable & tf.reduce_all(size > 0)
    canvas = tf.where(has_frame, tf.maximum(screen, corner + size), 0)
    frame, palette = _build_gif(encoded, data, descriptor, end)
    return Frame(tf.where(is_readable, frame, ''), canvas, corner, transparent, palette)


def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the first frame of a GIF on its canvas.

    Returns:
        (height, width, 3) uint8 RGB; and (height, width, 1) uint8: 255, and 0 where a pixel is
        transparent or the frame does not cover the canvas; or (height, width, 0) if nothing is.
    """
    frame = extract_first_frame(encoded)
    pixels = tf.io.decode_gif(frame.encoded)[0]

    def decode_alpha():
        return 255 - tf.io.decode_gif(_mark_transparent(frame))[0, :, :, :1]

    def place():
        opaque = tf.fill([*tf.unstack(tf.shape(pixels)[:2]), 1], tf.constant(255, tf.uint8))
        alpha = tf.cond(frame.transparent >= 0, decode_alpha, lambda: opaque)
        before = tf.cast(frame.corner[::-1], tf.int32)
        after = tf.cast(frame.canvas[::-1], tf.int32) - before - tf.shape(pixels)[:2]
        margins = tf.concat([tf.stack([before, after], 1), [[0, 0]]], 0)
        return tf.pad(pixels, margins), tf.pad(alpha, margins)

    covers = tf.reduce_all(tf.cast(tf.shape(pixels)[1::-1], tf.int64) == frame.canvas)
    return tf.cond(covers & (frame.transparent < 0), lambda: (pixels, pixels[:, :, :0]), place)


def _build_gif(encoded, data, descriptor, end):
    """Builds a GIF whose screen has the frame's size; returns it and where its palette is."""
    table = _HEADER_BYTES
    global_bytes = _count_table_bytes(_byte(data, 10))
    local_bytes = _count_table_bytes(_byte(data, descriptor + 9))
    size = _cut(encoded, descriptor + 5, descriptor + 9)
    start = [_cut(encoded, 0, 6), size, _cut(encoded, 10, table + global_bytes)]
    image = [b'\x2c\0\0\0\0', size, _cut(encoded, descriptor + 9, end), _TRAILER]
    local_start = table + global_bytes + _DESCRIPTOR_BYTES
    palette = tf.where(
        local_bytes > 0, tf.stack([local_start, local_bytes]), tf.stack([table, global_bytes])
    )
    return tf.strings.join([*start, *image]), palette


def _mark_transparent(frame: Frame) -> tf.Tensor:
    """Returns the frame with a black palette in which the transparent colour is white."""
    start, size = frame.palette[0], frame.palette[1]
    at = tf.minimum(3 * frame.transparent, size)
    colors = tf.strings.join(
        [_cut(bytes(_MAX_TABLE_BYTES), 0, at), b'\xff\xff\xff', bytes(_MAX_TABLE_BYTES)]
    )
    rest = tf.strings.substr(frame.encoded, start + size, tf.strings.length(frame.encoded))
    return tf.strings.join([_cut(frame.encoded, 0, start), _cut(colors, 0, size), rest])


def _skip_extensions(data):
    """Returns the first image descriptor's offset, the blocks before it, the transparent index."""

    def is_extension(offset, is_inside, blocks, _):
        more = is_inside | (_byte(data, offset) == _EXTENSION)
        return (offset < tf.size(data)) & more & (blocks < MAX_BLOCKS)

    def skip_block(offset, is_inside, blocks, transparent):
        length = _byte(data, offset)  # an extension's blocks end with an empty one
        next_offset = offset + tf.where(is_inside, 1 + length, 2)  # a block, or a two-byte header
        is_control = ~is_inside & (_byte(data, offset + 1) == _GRAPHIC_CONTROL)
        is_control &= (_byte(data, offset + 2) >= 4) & (_byte(data, offset + 3) & 1 == 1)
        transparent = tf.where(is_control, _byte(data, offset + 6), transparent)
        return next_offset, ~is_inside | (length > 0), blocks + 1, transparent

    start = _HEADER_BYTES + _count_table_bytes(_byte(data, 10))
    offset, _, blocks, transparent = tf.while_loop(
        is_extension, skip_block, (start, tf.constant(False), 0, _NO_COLOR)
    )
    return offset, blocks, transparent


def _skip_pixels(data, descriptor):
    """Returns the offset behind the pixels, 0 without any, and the number of blocks."""
    is_image = _byte(data, descriptor) == _IMAGE
    table = descriptor + _DESCRIPTOR_BYTES
    pixels = table + _count_table_bytes(_byte(data, table - 1)) + 1  # LZW code size
    last, blocks = tf.while_loop(
        lambda offset, blocks: is_image & (_byte(data, offset) > 0) & (blocks < MAX_BLOCKS),
        lambda offset, blocks: (offset + 1 + _byte(data, offset), blocks + 1),
        (pixels, 0),
    )
    return tf.where(is_image, tf.minimum(last + 1, tf.size(data)), 0), blocks


def _count_table_bytes(flags):
    size = 3 * tf.bitwise.left_shift(2, flags & _COLOR_TABLE_SIZE)
    return tf.where(flags & _HAS_COLOR_TABLE > 0, size, 0)


def _cut(encoded, start, end):
    """Returns the bytes from one offset to another; fewer if the file ends before."""
    start = tf.minimum(start, tf.strings.length(encoded))
    return tf.strings.substr(encoded, start, tf.maximum(end - start, 0))


def _short(data, offset):
    return tf.cast(_byte(data, offset) + 256 * _byte(data, offset + 1), tf.int64)


def _byte(data, offset):
    """Returns the byte at an offset, int32; 0 past the end."""
    is_inside = offset < tf.size(data)
    return tf.where(is_inside, tf.cast(data[tf.where(is_inside, offset, 0)], tf.int32), 0)
