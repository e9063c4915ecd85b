"""How far a share may be from what it was measured to be."""

import math

DEVIATIONS = 1.959964  # of a normal distribution, on either side of 95 %


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a binomial share (Wilson 1927), for any share and number.

    Args:
        share: Found, in [0, 1].
        number: Of trials, at least 1.

    >>> [round(end, 4) for end in wilson(0.1, 100)]
    [0.0552, 0.1744]
    >>> [round(end, 4) for end in wilson(0.0, 20)]
    [0.0, 0.1611]
    """
    square = DEVIATIONS**2
    middle = (share + square / (2 * number)) / (1 + square / number)
    spread = math.sqrt(share * (1 - share) / number + square / (4 * number**2))
    reach = DEVIATIONS * spread / (1 + square / number)
    return max(0.0, middle - reach), min(1.0, middle + reach)
