"""Measures of what was found, by hand."""

import numpy as np
import pytest

from alexnet_tf.retrieval import metrics

LABELS = np.array([0, 1, 0, 1, 0])


def test_precision_counts_what_was_not_found_as_wrong():
    places = np.array([[0, 1, 2], [1, -1, -1]])
    found = metrics.precision(LABELS, np.array([0, 1]), places, 3)
    np.testing.assert_allclose(found, [2 / 3, 1 / 3])
    np.testing.assert_allclose(metrics.precision(LABELS, np.array([0, 1]), places, 1), [1, 1])


def test_average_precision():
    order = np.array([[0, 1, 2, 3, 4], [0, 2, 4, 1, 3]])
    found = metrics.average_precision(LABELS, np.array([0, 1]), order)
    np.testing.assert_allclose(found, [(1 + 2 / 3 + 3 / 5) / 3, (1 / 4 + 2 / 5) / 2])


def test_recall():
    found = metrics.recall(np.array([[1, 2], [3, 4]]), np.array([[2, 9, 1], [3, -1, -1]]))
    assert found == pytest.approx((1 + 0.5) / 2)
