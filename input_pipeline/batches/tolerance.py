"""Decodes records, replacing those that cannot be read."""

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
        (images, labels, readable (n,) float32). An unreadable record has readable 0, and the image
        and label of the first readable one, or a black image and label 0 if there is none.
    """
    blank = tf.zeros([1, size, size, decoding.CHANNELS], tf.uint8)
    missing = tf.data.Dataset.from_tensors((blank, tf.zeros([1], tf.int64), tf.zeros([1])))

    def decode_one(row):
        record, *parameters = (part[None] for part in row)
        decoded = tf.data.Dataset.from_tensors(record).map(
            lambda record: (*decode(record, *parameters), tf.ones([1]))
        )
        return decoded.ignore_errors().concatenate(missing).take(1).get_single_element()

    signature = tuple(
        tf.TensorSpec([1, *spec.shape[1:]], spec.dtype) for spec in missing.element_spec
    )
    parts = tf.map_fn(decode_one, arguments, fn_output_signature=signature)
    images, labels, readable = (tf.squeeze(part, 1) for part in parts)
    # Batch normalisation and CutMix look at all rows.
    rows = tf.range(tf.shape(readable)[0], dtype=tf.int64)
    rows = tf.where(readable > 0, rows, tf.argmax(readable))
    return tf.gather(images, rows), tf.gather(labels, rows), readable
