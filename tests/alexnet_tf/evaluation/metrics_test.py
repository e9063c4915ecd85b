"""Each example's metrics, against values by hand."""

import numpy as np
import pytest

from alexnet_tf.evaluation import metrics


def test_ties_count_in_parts():
    rows = np.array([[9, 9, 9, 0, 0, 0, 0], [0] * 7, [7, 6, 5, 4, 1, 1, 1]], float)
    top1, top5 = metrics.compute_top_k_errors(np.array([1, 2, 5]), rows)
    np.testing.assert_allclose(top1, [2 / 3, 6 / 7, 1])
    np.testing.assert_allclose(top5, [0, 2 / 7, 2 / 3])


def test_a_label_with_probability_zero_has_a_finite_loss():
    losses = metrics.compute_log_loss(np.array([1, 0]), np.array([[1.0, 0.0], [0.25, 0.75]]))
    assert losses == pytest.approx([69.07755, 1.386294])  # -ln 1e-30, ln 4
