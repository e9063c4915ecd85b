"""Confidence intervals of error rates."""

import math
import statistics

Z_95 = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


def compute_wilson_interval(
    share: float, trials: int, *, comparisons: int = 1
) -> tuple[float, float]:
    """Computes the 95 % interval of a binomial share (Wilson 1927).

    It holds for any share and any number of trials.

    >>> [round(end, 4) for end in compute_wilson_interval(0.1, 100)]
    [0.0552, 0.1744]
    >>> [round(end, 4) for end in compute_wilson_interval(0.0, 20)]
    [0.0, 0.1611]

    Args:
        share: Measured share, in [0, 1].
        trials: At least 1.
        comparisons: Number of intervals that are to hold together, by Bonferroni.

    Returns:
        Lower and upper end, in [0, 1].
    """
    z = Z_95 if comparisons == 1 else statistics.NormalDist().inv_cdf(1 - 0.025 / comparisons)
    square = z**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    spread = math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    reach = z * spread / (1 + square / trials)
    return max(0.0, middle - reach), min(1.0, middle + reach)
