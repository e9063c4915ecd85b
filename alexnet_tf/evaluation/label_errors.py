"""Finds images whose label is probably wrong, from a network's predictions for them."""

from collections.abc import Sequence

import numpy as np

from alexnet_tf.evaluation import ensembles, error_analysis, prediction_cache


def find_label_errors(
    predictions: prediction_cache.Predictions, classes: Sequence[str]
) -> list[error_analysis.Mistake]:
    """Finds the images that probably show another class than their label says.

    Confident learning in its simplest form (Northcutt, Jiang and Chuang 2021): an image is suspect
    if another class is more probable than its label, and at least as probable as that class is on
    average in images labelled with it. For a class that the network is unsure of, this threshold is
    lower. The suspects include mistakes of the network as well as wrong labels; the worse the
    network, the more mistakes.

    Args:
        predictions: For images that the network was not trained on; it may have memorised the
            labels of others.
        classes: Names in label order.

    Returns:
        The suspects with the suspected class and its probability, those with the greatest
        difference to the probability of the label first.

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.8, 0.2]])
        >>> labels, ids = np.array([0, 1, 1, 1]), ['a', 'b', 'c', 'd']
        >>> predictions = prediction_cache.Predictions(probabilities, labels, ids)
        >>> [suspect.id for suspect in find_label_errors(predictions, ['cat', 'dog'])]
        []
        >>> probabilities[3] = 0.95, 0.05
        >>> [suspect.id for suspect in find_label_errors(predictions, ['cat', 'dog'])]
        ['d']
    """
    thresholds = _compute_thresholds(predictions, len(classes))
    suspects = []
    for rows, probabilities in ensembles.average([predictions], [1.0]):
        labels = predictions.labels[rows]
        confident = np.where(probabilities >= thresholds, probabilities, 0)
        likely, highest = confident.argmax(1), confident.max(1)
        margins = highest - np.take_along_axis(probabilities, labels[:, None], 1)[:, 0]
        for at in np.flatnonzero(margins > 0).tolist():
            position, names = rows.start + at, (classes[labels[at]], classes[likely[at]])
            fields = predictions.ids[position], *names, float(highest[at]), position
            suspects.append((margins[at], error_analysis.Mistake(*fields)))
    return [suspect for _, suspect in sorted(suspects, key=lambda pair: (-pair[0], pair[1].id))]


def _compute_thresholds(predictions: prediction_cache.Predictions, number: int) -> np.ndarray:
    """Computes each class's mean probability in images with its label; inf without images."""
    sums, counts = np.zeros(number), np.bincount(predictions.labels, minlength=number)
    for rows, probabilities in ensembles.average([predictions], [1.0]):
        labels = predictions.labels[rows]
        of_label = np.take_along_axis(probabilities, labels[:, None], 1)[:, 0]
        sums += np.bincount(labels, np.nan_to_num(of_label), minlength=number)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
