"""Intervals, against the roots of their definition."""

import numpy as np
import pytest

from alexnet_tf.reports import intervals


@pytest.mark.parametrize(('share', 'trials'), [(0.0, 1), (1.0, 3), (0.174, 144), (0.5, 50_000)])
def test_the_ends_are_1_96_standard_deviations_from_the_share(share, trials):
    z = 1.959964
    # (share - p)^2 = z^2 p (1 - p) / trials
    roots = np.roots([1 + z**2 / trials, -2 * share - z**2 / trials, share**2])
    low, high = sorted(np.clip(roots.real, 0, 1))
    interval = intervals.compute_wilson_interval(share, trials)
    assert interval == pytest.approx((low, high), abs=1e-6)
