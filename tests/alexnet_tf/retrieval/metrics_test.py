"""Metrics of retrieval against values worked out by hand."""

import numpy as np
import pytest

from alexnet_tf.retrieval import metrics

LABELS = np.array([0, 1, 0, 1, 0])
QUERY_LABELS = np.array([0, 1])


def test_precision_counts_missing_results_as_wrong():
    indices = np.array([[0, 1, 2], [1, -1, -1]])
    precision = metrics.compute_precision(LABELS, QUERY_LABELS, indices, k=3)
    np.testing.assert_allclose(precision, [2 / 3, 1 / 3])
    np.testing.assert_allclose(
        metrics.compute_precision(LABELS, QUERY_LABELS, indices, k=1), [1, 1]
    )


def test_average_precision_is_the_mean_over_relevant_images():
    ranking = np.array([[0, 1, 2, 3, 4], [0, 2, 4, 1, 3]])
    average = metrics.compute_average_precision(LABELS, QUERY_LABELS, ranking)
    np.testing.assert_allclose(average, [(1 + 2 / 3 + 3 / 5) / 3, (1 / 4 + 2 / 5) / 2])


def test_recall_is_the_share_of_true_neighbours_found():
    indices = np.array([[2, 9, 1], [3, -1, -1]])
    recall = metrics.compute_recall(np.array([[1, 2], [3, 4]]), indices)
    assert recall == pytest.approx((1 + 0.5) / 2)
