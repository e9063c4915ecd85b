"""The first picture of a GIF, in TensorFlow operations.

The decoder unpacks all pictures of an animation before it hands out the first: a file of a megabyte
can ask for gigabytes.
"""

import tensorflow as tf

_HEADER, _DESCRIPTOR = 13, 10  # bytes
_EXTENSION, _PICTURE, _END = 0x21, 0x2C, b';'
_TABLE, _TABLE_SIZE = 0x80, 0x07  # bits of flags


def first_picture(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A GIF without the pictures after the first.

    Args:
        encoded: Scalar string, a whole GIF.

    Returns:
        It as scalar string, and the first picture's own width and height, int64; the screen that
        it is put on has others. Of a file that is no GIF, or is cut short, something like it.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    number = tf.size(data)

    def byte(at):
        inside = at < number
        return tf.where(inside, tf.cast(data[tf.where(inside, at, 0)], tf.int32), 0)

    def after_table(at, flags):
        size = 3 * tf.bitwise.left_shift(2, flags & _TABLE_SIZE)
        return at + tf.where(flags & _TABLE > 0, size, 0)

    def after_blocks(at):
        (end,) = tf.while_loop(
            lambda at: (at < number) & (byte(at) > 0), lambda at: (at + 1 + byte(at),), (at,)
        )
        return end + 1

    (at,) = tf.while_loop(
        lambda at: (at < number) & (byte(at) == _EXTENSION),
        lambda at: (after_blocks(at + 2),),
        (after_table(_HEADER, byte(10)),),
    )
    width, height = (byte(at + low) + 256 * byte(at + low + 1) for low in (5, 7))
    pixels = after_table(at + _DESCRIPTOR, byte(at + 9)) + 1  # after the size of a code
    end = tf.where(byte(at) == _PICTURE, after_blocks(pixels), number)
    first = tf.strings.join([tf.strings.substr(encoded, 0, tf.minimum(end, number)), _END])
    return first, tf.cast(width, tf.int64), tf.cast(height, tf.int64)
