"""Pictures that anybody may have sent: to squares, or to what is wrong with each.

TensorFlow operations only. A server has no limits of its own on what a picture may ask for.
"""

import tensorflow as tf

from input_pipeline.images import decoding, graph_headers, headers

MOST_BYTES, MOST_PIXELS = 32 << 20, headers.MOST_PIXELS  # of a picture
MOST_PICTURES = 256  # of a request
_AT_ONCE = 4  # pictures that are decoded: each can take 3 bytes a pixel, and as much again
_UNREADABLE = 'it cannot be decoded: broken, cut short, or of a kind that is not read'


def squares(encoded: tf.Tensor, *, size: int, turned: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """The central square of each picture, as records would hold it.

    Args:
        encoded: (n,) string.
        size: Side of a square.
        turned: Whether EXIF orientations count, as they did for the training records.

    Returns:
        (n, size, size, 3) uint8, black where something is wrong, and (n,) string: what is wrong,
        or ''.

    Raises:
        tf.errors.InvalidArgumentError: Too many pictures.
    """
    number = tf.size(encoded)
    with tf.control_dependencies([check_number(number)]):
        encoded = tf.identity(encoded)

    @tf.autograph.experimental.do_not_convert
    def read(at, picture):
        return at, *_square_or_problem(picture, size, turned)

    # A data set, for it can leave out what raises an error. After all comes one that is black.
    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    last = tf.data.Dataset.from_tensors((number, black, _UNREADABLE))
    places, found, problems = (
        tf.data.Dataset.from_tensor_slices((tf.range(number), encoded))
        .map(read, num_parallel_calls=_AT_ONCE)
        .ignore_errors(log_warning=True)
        .concatenate(last)
        .batch(MOST_PICTURES + 1)
        .with_options(_plain())
        .get_single_element()
    )
    black_at = tf.fill([number + 1], tf.size(places) - 1)
    order = tf.tensor_scatter_nd_update(black_at, places[:, None], tf.range(tf.size(places)))
    order = order[:number]
    return tf.gather(found, order), tf.gather(problems, order)


def _plain() -> tf.data.Options:
    """For a data set that lives as long as a request: not worth being rewritten first."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return options


def refuse(problems: tf.Tensor) -> tf.Operation:
    """Raises InvalidArgumentError where something is wrong, and says with which picture."""
    bad = tf.where(problems != '')[:, 0]
    at = tf.concat([bad, [0]], 0)[0]
    said = tf.strings.join(
        ['images[', tf.as_string(at), ']: ', tf.gather(tf.concat([problems, ['']], 0), at)]
    )
    others = tf.strings.join([said, ' (and ', tf.as_string(tf.size(bad) - 1), ' more)'])
    said = tf.where(tf.size(bad) > 1, others, said)
    return tf.debugging.Assert(tf.size(bad) == 0, [said])


def check_number(number: tf.Tensor, most: int = MOST_PICTURES) -> tf.Operation:
    """Raises InvalidArgumentError where there are more pictures in a request than may be."""
    said = tf.strings.join(
        ['images: ', tf.as_string(number), f' pictures; at most {most} are taken at once']
    )
    return tf.debugging.Assert(number <= most, [said])


def _square_or_problem(picture, size: int, turned: bool):
    problem = graph_headers.problem(picture, most_bytes=MOST_BYTES, most_pixels=MOST_PIXELS)

    def made():
        upright = decoding.decode(picture)
        if turned:
            upright = decoding.turned(upright, graph_headers.orientation(picture))
        return decoding.square(upright, size)

    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    return tf.cond(problem == '', made, lambda: black), problem
