"""Decodes images from untrusted senders into squares, with TensorFlow operations only.

A model server does not limit what an image may cost to decode, so the exported graph must.
"""

import tensorflow as tf

from input_pipeline.images import decoding, graph_headers, headers

MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS = 32 << 20, headers.MAX_PIXELS
MAX_IMAGES = 256  # per request
_PARALLEL_DECODES = 4  # each may hold 3 bytes per pixel twice


def decode_squares(
    encoded: tf.Tensor, *, size: int, exif_orientation: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the central square of each image, as records hold it.

    Args:
        encoded: (n,) string: JPEG, PNG, GIF, BMP or WebP files.
        size: Side of a square in pixels.
        exif_orientation: Whether to apply EXIF orientations, as for the training records.

    Returns:
        Squares (n, size, size, 3) uint8 RGB, black where an image cannot be read; and what is
        wrong with each image, (n,) string, '' where nothing is.

    Raises:
        tf.errors.InvalidArgumentError: There are more than MAX_IMAGES images.
    """
    count = tf.size(encoded)
    with tf.control_dependencies([assert_request_size(count)]):
        encoded = tf.identity(encoded)

    @tf.autograph.experimental.do_not_convert
    def read(index, image):
        return index, *_decode_or_explain(image, size, exif_orientation)

    # A dataset, because it can drop the elements that fail. The last element stands in for them.
    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    stand_in = tf.data.Dataset.from_tensors((count, black, decoding.UNREADABLE))
    indices, squares, problems = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), encoded))
        .map(read, num_parallel_calls=_PARALLEL_DECODES)
        .ignore_errors(log_warning=True)
        .concatenate(stand_in)
        .batch(MAX_IMAGES + 1)
        .with_options(decoding.create_dataset_options())
        .get_single_element()
    )
    rows = tf.fill([count + 1], tf.size(indices) - 1)
    rows = tf.tensor_scatter_nd_update(rows, indices[:, None], tf.range(tf.size(indices)))
    rows = rows[:count]
    return tf.gather(squares, rows), tf.gather(problems, rows)


def assert_readable(problems: tf.Tensor) -> tf.Operation:
    """Raises InvalidArgumentError with the index of the first image that has a problem."""
    bad = tf.where(problems != '')[:, 0]
    first = tf.concat([bad, [0]], 0)[0]
    message = tf.strings.join(
        ['images[', tf.as_string(first), ']: ', tf.gather(tf.concat([problems, ['']], 0), first)]
    )
    others = tf.strings.join([message, ' (and ', tf.as_string(tf.size(bad) - 1), ' more)'])
    message = tf.where(tf.size(bad) > 1, others, message)
    return tf.debugging.Assert(tf.size(bad) == 0, [message])


def assert_request_size(count: tf.Tensor, limit: int = MAX_IMAGES) -> tf.Operation:
    """Raises InvalidArgumentError if a request has more than `limit` images."""
    message = tf.strings.join(
        ['images: ', tf.as_string(count), f' images in a request; at most {limit} are accepted']
    )
    return tf.debugging.Assert(count <= limit, [message])


def _decode_or_explain(image, size: int, exif_orientation: bool):
    limits = {'max_bytes': MAX_IMAGE_BYTES, 'max_pixels': MAX_IMAGE_PIXELS}
    problem = graph_headers.find_problem(image, **limits)

    def decode():
        pixels = decoding.decode(image)
        if exif_orientation:
            pixels = decoding.apply_orientation(pixels, graph_headers.read_orientation(image))
        return decoding.resize_to_square(pixels, size)

    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    return tf.cond(problem == '', decode, lambda: black), problem
