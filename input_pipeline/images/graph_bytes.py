"""Reads bytes and integers at offsets of a file, in graphs that are cheap to start."""

from collections.abc import Callable

import tensorflow as tf


def keep_apart(function: Callable) -> Callable:
    """Makes a function of tensors a function of the graph that is not inlined into its callers.

    A request to a served graph builds all its branches, which takes milliseconds. A rarely used
    branch that is kept apart is built only when it is called.
    """
    return tf.function(function, autograph=False, experimental_attributes={'_noinline': True})


class Bytes:
    """The bytes of a file, or of a part of one; behind their end are zeros.

    Args:
        encoded: Scalar string.
    """

    def __init__(self, encoded: tf.Tensor):
        self.size = tf.cast(tf.strings.length(encoded), tf.int64)
        # A byte more, so that there is one to read where the offset is outside.
        self._data = tf.io.decode_raw(tf.strings.join([encoded, b'\0']), tf.uint8)

    def read(self, offsets: tf.Tensor) -> tf.Tensor:
        """Reads the byte at each offset, int64: int64 of the same shape."""
        is_inside = (offsets >= 0) & (offsets < self.size)
        return tf.cast(tf.gather(self._data, tf.where(is_inside, offsets, self.size)), tf.int64)

    def read_integer(
        self, offsets: tf.Tensor, size: int, is_big_endian: bool | tf.Tensor = True
    ) -> tf.Tensor:
        """Reads an unsigned integer of `size` bytes at each offset, int64."""
        offsets = tf.convert_to_tensor(offsets, tf.int64)
        digits = self.read(offsets[..., None] + tf.range(size, dtype=tf.int64))
        weights = tf.constant([256 ** (size - 1 - at) for at in range(size)], tf.int64)
        if is_big_endian is not True:
            weights = tf.where(is_big_endian, weights, weights[::-1])
        return tf.reduce_sum(digits * weights, -1)

    def read_signed(self, offsets: tf.Tensor, size: int, is_big_endian: bool = True) -> tf.Tensor:
        """Reads a signed integer of `size` bytes at each offset, int64."""
        value = self.read_integer(offsets, size, is_big_endian)
        return tf.where(value >= 1 << (8 * size - 1), value - (1 << 8 * size), value)

    def starts_with(self, offsets: tf.Tensor, mark: bytes) -> tf.Tensor:
        """Returns whether the bytes at each offset are those of a mark."""
        values = self.read(offsets[..., None] + tf.range(len(mark), dtype=tf.int64))
        return tf.reduce_all(values == list(mark), -1)
