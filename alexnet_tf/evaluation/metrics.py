"""The metrics of `outputs.METRICS` for each example, in NumPy."""

import numpy as np

from alexnet_tf.models import outputs


def compute_log_loss(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Computes each example's loss.

    Args:
        labels: (examples,) int.
        probabilities: (examples, classes) float.

    Returns:
        (examples,) float, in nats.
    """
    of_label = np.take_along_axis(probabilities, labels[:, None], 1)[:, 0]
    return -np.log(np.maximum(of_label, outputs.MIN_PROBABILITY))


def compute_top_k_errors(labels: np.ndarray, probabilities: np.ndarray) -> list[np.ndarray]:
    """Computes each example's top-1 and top-5 error.

    Classes that tie with the label share the remaining places, so an error may be a fraction.

    >>> compute_top_k_errors(np.array([0]), np.array([[0.5, 0.5, 0.0]]))
    [array([0.5]), array([0.])]

    Args:
        labels: (examples,) int.
        probabilities: (examples, classes) float.

    Returns:
        Two arrays (examples,) float in [0, 1].
    """
    of_label = np.take_along_axis(probabilities, labels[:, None], 1)
    better, tied = (probabilities > of_label).sum(1), (probabilities == of_label).sum(1)
    return [1 - np.clip(k - better, 0, tied) / np.maximum(tied, 1) for k in (1, outputs.TOP_K)]
