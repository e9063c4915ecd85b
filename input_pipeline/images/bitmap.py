"""Decodes uncompressed BMPs of every depth and channel mask, in TensorFlow operations.

TensorFlow's decoder ignores palettes and masks, and so gives wrong colors without a word.
"""

import tensorflow as tf

from input_pipeline.images import graph_bytes

OS2_BITMAP = 'a BMP with a header of OS/2 is not read; convert it to PNG'
UNSUPPORTED = (
    'a BMP is read if it is uncompressed, has 1, 4, 8, 16, 24 or 32 bits per pixel, and channel '
    'masks of adjacent bits; this one is not so; convert it to PNG'
)
_HEADER_BYTES, _ALPHA_HEADER_BYTES = 40, 56  # at least, and with a mask of alpha
_FILE_HEADER_BYTES, _MASKS, _START_BYTES = 14, 54, 70
_UNCOMPRESSED, _MASKED = 0, 3
_MASKS_16, _MASKS_32 = (0x7C00, 0x3E0, 0x1F, 0), (0xFF0000, 0xFF00, 0xFF, 0)
_MAX_CHANNEL = 0xFFFF
_COLORS = 256


class _Header:
    """The fields of a BMP's header: scalars, int64."""

    def __init__(self, encoded: tf.Tensor):
        data = graph_bytes.Bytes(tf.strings.substr(encoded, 0, _START_BYTES))
        self.pixels, self.bytes, self.compression, self.colors = tf.unstack(
            data.read_integer([10, 14, 30, 46], 4, False)
        )
        self.width, self.height = tf.unstack(data.read_signed([18, 22], 4, False))
        self.bits = data.read_integer(28, 2, False)
        masks = data.read_integer(_MASKS + 4 * tf.range(4, dtype=tf.int64), 4, False)
        masks *= tf.cast((tf.range(4) < 3) | (self.bytes >= _ALPHA_HEADER_BYTES), tf.int64)
        usual = tf.where(self.bits == 16, tf.constant(_MASKS_16, tf.int64), _MASKS_32)
        self.masks = tf.where(self.compression == _MASKED, masks, usual)
        self.lowest_bits = tf.maximum(tf.bitwise.bitwise_and(self.masks, -self.masks), 1)
        self.largest = self.masks // self.lowest_bits  # values of the channels


def find_problem(encoded: tf.Tensor) -> tf.Tensor:
    """Says why a BMP is not read: scalar string, '' if nothing is wrong with its header."""
    header = _Header(encoded)
    depths = tf.where(header.compression == _MASKED, [0, 0, 0, 16, 0, 32], [1, 4, 8, 16, 24, 32])
    is_known = (header.compression == _UNCOMPRESSED) | (header.compression == _MASKED)
    is_known &= tf.reduce_any(header.bits == tf.cast(depths, tf.int64))
    is_adjacent = tf.bitwise.bitwise_and(header.largest, header.largest + 1) == 0
    is_known &= tf.reduce_all(is_adjacent & (header.largest <= _MAX_CHANNEL))
    is_known &= tf.reduce_all(header.masks[:3] > 0)
    is_os2 = header.bytes < _HEADER_BYTES
    return tf.where(is_os2, OS2_BITMAP, tf.where(is_known, '', UNSUPPORTED))


def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a BMP.

    Channels of other than 8 bits become value * 255 / largest value, rounded down as by Pillow.

    Args:
        encoded: Scalar string, a BMP without a problem.

    Returns:
        (height, width, 3) uint8 RGB; and alpha, (height, width, 1) uint8, or (height, width, 0) if
        there is none: no mask, or nothing but zeros.

    Raises, when run:
        tf.errors.InvalidArgumentError: It is truncated.
    """
    header = _Header(encoded)
    width, height = tf.cast(header.width, tf.int32), tf.cast(tf.abs(header.height), tf.int32)
    row_bytes = (tf.cast(header.bits, tf.int32) * width + 31) // 32 * 4
    pixels = tf.strings.substr(encoded, header.pixels, tf.cast(row_bytes * height, tf.int64))
    rows = tf.reshape(tf.io.decode_raw(pixels, tf.uint8), [height, row_bytes])
    rows = tf.cond(header.height > 0, lambda: rows[::-1], lambda: rows)  # from the bottom
    opaque = tf.zeros([height, width, 0], tf.uint8)

    def look_up():
        return tf.gather(_read_palette(encoded, header), _unpack(rows, header)[:, :width]), opaque

    def reverse():
        return tf.reshape(rows[:, : 3 * width], [height, width, 3])[..., ::-1], opaque

    def mask():
        values = _read_values(rows, header, [height, width])
        channels = [_read_channel(values, header, index) for index in range(4)]
        has_alpha = tf.reduce_any(channels[3] > 0)
        alpha = tf.cond(has_alpha, lambda: channels[3][..., None], lambda: opaque)
        return tf.stack(channels[:3], -1), alpha

    return tf.case([(header.bits <= 8, look_up), (header.bits == 24, reverse)], default=mask)


def _read_palette(encoded: tf.Tensor, header: _Header) -> tf.Tensor:
    """Reads the colors, (256, 3) uint8 RGB: black behind the last."""
    data, start = graph_bytes.Bytes(encoded), _FILE_HEADER_BYTES + header.bytes
    colors, channels = tf.range(_COLORS, dtype=tf.int64), tf.constant([2, 1, 0], tf.int64)
    palette = data.read(start + 4 * colors[:, None] + channels)
    number = tf.where(header.colors > 0, header.colors, _COLORS)
    return tf.cast(tf.where(colors[:, None] < number, palette, 0), tf.uint8)


def _unpack(rows: tf.Tensor, header: _Header) -> tf.Tensor:
    """Unpacks indices of 1, 4 or 8 bits, the high bits first: (height, at least width) int32."""
    bits = tf.cast(header.bits, tf.int32)
    shifts = 8 - bits * (1 + tf.range(8 // bits))
    indices = tf.bitwise.right_shift(tf.cast(rows, tf.int32)[..., None], shifts)
    indices = tf.bitwise.bitwise_and(indices, tf.bitwise.left_shift(1, bits) - 1)
    return tf.reshape(indices, [tf.shape(rows)[0], -1])


def _read_values(rows: tf.Tensor, header: _Header, size: list[tf.Tensor]) -> tf.Tensor:
    """Reads values of 16 or 32 bits: (height, width) uint32."""

    def read(dtype):
        pixels = tf.reshape(rows[:, : size[1] * dtype.size], [*size, dtype.size])
        return tf.cast(tf.bitcast(pixels, dtype), tf.uint32)

    return tf.cond(header.bits == 16, lambda: read(tf.uint16), lambda: read(tf.uint32))


def _read_channel(values: tf.Tensor, header: _Header, index: int) -> tf.Tensor:
    """Reads a channel, (height, width) uint8; zeros without a mask."""
    lowest, largest = header.lowest_bits[index], header.largest[index]
    shifted = tf.bitwise.bitwise_and(values, tf.cast(header.masks[index], tf.uint32))
    shifted = tf.cast(shifted // tf.cast(lowest, tf.uint32), tf.int32)
    return tf.cast(shifted * 255 // tf.maximum(tf.cast(largest, tf.int32), 1), tf.uint8)
