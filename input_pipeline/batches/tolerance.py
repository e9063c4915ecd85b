"""Decoding that leaves out what cannot be read."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from input_pipeline.images import decoding


def decode_one_by_one(
    decode: Callable, arguments: Sequence[tf.Tensor], size: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decodes each record in a data set of its own, which an error leaves empty.

    Args:
        decode: Takes rows of the arguments; returns (images uint8, labels) of as many records.
        arguments: The records, and what else `decode` takes, with a row for each record.
        size: Side of the images.

    Returns:
        (images, labels, readable (n,) float32, 0 of a record that cannot be read).
    """
    blank = tf.zeros([1, size, size, decoding.CHANNELS], tf.uint8)
    missing = tf.data.Dataset.from_tensors((blank, tf.zeros([1], tf.int64), tf.zeros([1])))

    def decode_one(row):
        record, *offsets = (part[None] for part in row)
        decoded = tf.data.Dataset.from_tensors(record).map(
            lambda record: (*decode(record, *offsets), tf.ones([1]))
        )
        return decoded.ignore_errors().concatenate(missing).take(1).get_single_element()

    signature = tuple(
        tf.TensorSpec([1, *spec.shape[1:]], spec.dtype) for spec in missing.element_spec
    )
    parts = tf.map_fn(decode_one, arguments, fn_output_signature=signature)
    return tuple(tf.squeeze(part, 1) for part in parts)
