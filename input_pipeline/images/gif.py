"""The first picture of a GIF, in TensorFlow operations.

The decoder unpacks all pictures of an animation before it hands out the first: a file of a megabyte
can ask for gigabytes.
"""

import tensorflow as tf

MOST_BLOCKS = 50_000  # of data before and in the first picture: 12 MB of full ones, a second
_HEADER, _DESCRIPTOR = 13, 10  # bytes
_EXTENSION, _PICTURE, _END = 0x21, 0x2C, b';'
_TABLE, _TABLE_SIZE = 0x80, 0x07  # bits of flags


def first_picture(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A GIF without the pictures after the first.

    Args:
        encoded: Scalar string, a whole GIF.

    Returns:
        It as scalar string, and the first picture's own width and height, int64; the screen that
        it is put on has others. Of a file that is no GIF, or is cut short, something like it. Of
        one with more than MOST_BLOCKS blocks of data, '', 0 and 0.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    number = tf.size(data)

    def byte(at):
        inside = at < number
        return tf.where(inside, tf.cast(data[tf.where(inside, at, 0)], tf.int32), 0)

    def after_table(at, flags):
        size = 3 * tf.bitwise.left_shift(2, flags & _TABLE_SIZE)
        return at + tf.where(flags & _TABLE > 0, size, 0)

    def found(at, inside, steps):  # an extension's blocks end with an empty one
        return (at < number) & (inside | (byte(at) == _EXTENSION)) & (steps < MOST_BLOCKS)

    def next_one(at, inside, steps):
        there = byte(at)
        after = at + tf.where(inside, 1 + there, 2)  # a block, or an extension's two bytes
        return after, ~inside | (there > 0), steps + 1

    start = after_table(_HEADER, byte(10))
    at, _, before = tf.while_loop(found, next_one, (start, tf.constant(False), 0))
    pixels = after_table(at + _DESCRIPTOR, byte(at + 9)) + 1  # after the size of a code
    is_picture = byte(at) == _PICTURE
    last, within = tf.while_loop(
        lambda at, steps: is_picture & (byte(at) > 0) & (steps < MOST_BLOCKS),
        lambda at, steps: (at + 1 + byte(at), steps + 1),
        (pixels, 0),
    )
    end = tf.minimum(tf.where(is_picture, last + 1, number), number)
    first = tf.strings.join([tf.strings.substr(encoded, 0, end), _END])
    width, height = (byte(at + low) + 256 * byte(at + low + 1) for low in (5, 7))
    fits = tf.maximum(before, within) < MOST_BLOCKS
    sizes = (tf.cast(tf.where(fits, each, 0), tf.int64) for each in (width, height))
    return tf.where(fits, first, ''), *sizes
