"""Cuts a GIF behind its first frame, in TensorFlow operations.

TensorFlow's decoder unpacks all frames of an animation before it returns the first: a file of a
megabyte can ask for gigabytes.
"""

import tensorflow as tf

MAX_BLOCKS = 50_000  # data blocks up to the first frame's end: 12 MB of full ones, a second
_HEADER_BYTES, _DESCRIPTOR_BYTES = 13, 10
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, b';'
_HAS_COLOR_TABLE, _COLOR_TABLE_SIZE = 0x80, 0x07  # bits of the flags


def extract_first_frame(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Cuts off the frames of a GIF after the first.

    A file that is not a GIF, or is truncated, gives another broken file.

    Args:
        encoded: Scalar string, a whole GIF.

    Returns:
        The GIF with one frame as scalar string, and the frame's own width and height, int64; the
        screen that it lies on may have others. Of a GIF with more than MAX_BLOCKS data blocks:
        '', 0 and 0.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    descriptor, blocks_before = _skip_extensions(data)
    end, blocks_within = _skip_pixels(data, descriptor)
    frame = tf.strings.join([tf.strings.substr(encoded, 0, end), _TRAILER])
    is_readable = tf.maximum(blocks_before, blocks_within) < MAX_BLOCKS
    bytes_ = [tf.cast(_byte(data, descriptor + at), tf.int64) for at in (5, 6, 7, 8)]
    sizes = [tf.where(is_readable, bytes_[at] + 256 * bytes_[at + 1], 0) for at in (0, 2)]
    return tf.where(is_readable, frame, ''), *sizes


def _skip_extensions(data):
    """Returns the offset of the first image descriptor and the number of blocks before it."""

    def is_extension(offset, is_inside, blocks):
        more = is_inside | (_byte(data, offset) == _EXTENSION)
        return (offset < tf.size(data)) & more & (blocks < MAX_BLOCKS)

    def skip_block(offset, is_inside, blocks):  # an extension's blocks end with an empty one
        length = _byte(data, offset)
        next_offset = offset + tf.where(is_inside, 1 + length, 2)  # a block, or a two-byte header
        return next_offset, ~is_inside | (length > 0), blocks + 1

    start = _skip_color_table(_HEADER_BYTES, _byte(data, 10))
    offset, _, blocks = tf.while_loop(is_extension, skip_block, (start, tf.constant(False), 0))
    return offset, blocks


def _skip_pixels(data, descriptor):
    """Returns the offset behind the pixels, that of the end without any, and number of blocks."""
    is_image = _byte(data, descriptor) == _IMAGE
    table = descriptor + _DESCRIPTOR_BYTES
    pixels = _skip_color_table(table, _byte(data, table - 1)) + 1  # LZW code size
    last, blocks = tf.while_loop(
        lambda offset, blocks: is_image & (_byte(data, offset) > 0) & (blocks < MAX_BLOCKS),
        lambda offset, blocks: (offset + 1 + _byte(data, offset), blocks + 1),
        (pixels, 0),
    )
    return tf.where(is_image, tf.minimum(last + 1, tf.size(data)), tf.size(data)), blocks


def _skip_color_table(offset, flags):
    size = 3 * tf.bitwise.left_shift(2, flags & _COLOR_TABLE_SIZE)
    return offset + tf.where(flags & _HAS_COLOR_TABLE > 0, size, 0)


def _byte(data, offset):
    """The byte at an offset, int32; 0 behind the end."""
    is_inside = offset < tf.size(data)
    return tf.where(is_inside, tf.cast(data[tf.where(is_inside, offset, 0)], tf.int32), 0)
