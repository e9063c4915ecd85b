"""The names of metrics and views, and the average of the outputs over views."""

import tensorflow as tf

METRICS = ('loss', 'top1_error', 'top5_error')  # in the order of every array of metrics
TOP_K = 5  # classes in a prediction, and in the top-5 error
MIN_PROBABILITY = 1e-30  # the logarithm of 0 would be -inf
VIEWS = {'1': 1, '2': 2, '10': 10, 'nine': 9}  # name on the command line -> views of an image


def average_probabilities(logits: tf.Tensor, views: int) -> tf.Tensor:
    """Averages the softmax over the views of each image (section 4.1).

    The paper averages probabilities, not logits.

    Args:
        logits: (batch * views, classes), any float dtype; the views of one image are adjacent.
        views: The number of views of each image.

    Returns:
        Probabilities, (batch, classes) float32.

    Example:
    >>> average_probabilities(tf.constant([[0.0, 0.0], [0.0, 100.0]]), views=2).numpy()
    array([[0.25, 0.75]], dtype=float32)
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    by_view = tf.reshape(probabilities, [-1, views, logits.shape[-1]])
    return tf.reduce_mean(by_view, axis=1)
