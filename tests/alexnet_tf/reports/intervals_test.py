"""Intervals, against the roots of their definition."""

import doctest

import numpy as np
import pytest

from alexnet_tf.reports import intervals


def test_examples_in_docstrings():
    assert doctest.testmod(intervals).failed == 0


@pytest.mark.parametrize(('share', 'number'), [(0.0, 1), (1.0, 3), (0.174, 144), (0.5, 50_000)])
def test_ends_are_where_the_share_is_1_96_deviations_off(share, number):
    z = 1.959964
    # (share - p)^2 = z^2 p (1 - p) / number
    roots = np.roots([1 + z**2 / number, -2 * share - z**2 / number, share**2])
    low, high = sorted(np.clip(roots.real, 0, 1))
    assert intervals.wilson(share, number) == pytest.approx((low, high), abs=1e-6)
