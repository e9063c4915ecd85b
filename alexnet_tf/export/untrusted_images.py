"""Decodes images from untrusted senders into squares, with TensorFlow operations only.

A model server does not limit what an image may cost to decode, so the exported graph must.
"""

from collections.abc import Callable

import tensorflow as tf

from input_pipeline.images import decoding, graph_headers, headers
from input_pipeline.images import rendering as rendering_lib

MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS = 32 << 20, headers.MAX_PIXELS
MAX_IMAGES = 256  # per request
_LIMITS = {'max_bytes': MAX_IMAGE_BYTES, 'max_pixels': MAX_IMAGE_PIXELS}
_PARALLEL_DECODES = 4  # each may hold 3 bytes per pixel twice


def decode_squares(
    encoded: tf.Tensor, *, size: int, rendering: rendering_lib.Rendering
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the central square of each image, as records hold it.

    Args:
        encoded: (n,) string: JPEG, PNG, GIF, BMP or WebP files.
        size: Side of a square in pixels.
        rendering: How files become pixels, as for the training records.

    Returns:
        Squares (n, size, size, 3) uint8 RGB, black where an image cannot be read; and the problem
        of each image, (n,) string, '' if it has none.

    Raises:
        tf.errors.InvalidArgumentError: There are more than MAX_IMAGES images.
    """
    with tf.control_dependencies([assert_request_size(tf.size(encoded))]):
        encoded = tf.identity(encoded)
    # Each request builds the function that reads its images; most need the one for JPEGs only.
    return tf.cond(
        tf.reduce_all(tf.strings.substr(encoded, 0, len(headers.JPEG)) == headers.JPEG),
        lambda: _read_squares(encoded, size, lambda image: _read_jpeg(image, size, rendering)),
        lambda: _read_squares(encoded, size, lambda image: _read_any(image, size, rendering)),
    )


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


def _read_squares(encoded: tf.Tensor, size: int, read_square: Callable):
    """Reads the square and the problem of each image; see `decode_squares`."""
    count = tf.size(encoded)

    @tf.autograph.experimental.do_not_convert
    def read(index, image):
        return index, *read_square(image)

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


def _read_any(image: tf.Tensor, size: int, rendering: rendering_lib.Rendering):
    return tf.cond(
        tf.io.is_jpeg(image),
        lambda: _read_jpeg(image, size, rendering),
        lambda: _read_other(image, size, rendering),
    )


def _read_jpeg(image: tf.Tensor, size: int, rendering: rendering_lib.Rendering):
    problem = graph_headers.find_jpeg_problem(image, **_LIMITS)
    return _render_unless(problem, lambda: rendering_lib.render_jpeg(image, rendering, size), size)


def _read_other(image: tf.Tensor, size: int, rendering: rendering_lib.Rendering):
    problem = graph_headers.find_other_problem(image, **_LIMITS)
    return _render_unless(problem, lambda: rendering_lib.render_other(image, rendering, size), size)


def _render_unless(problem: tf.Tensor, render: Callable, size: int):
    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    return tf.cond(problem == '', lambda: render().square, lambda: black), problem
