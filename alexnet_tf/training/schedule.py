"""Learning rates as functions of the epoch and of what validation showed."""

from collections.abc import Sequence

FACTOR = 10.0
MOST_DROPS = 3


def listed(base: float, drop_epochs: Sequence[int], done_epochs: int) -> float:
    """The rate after `done_epochs` epochs: `base`, divided by 10 after each of `drop_epochs`.

    >>> [listed(0.01, (2, 3), epoch) for epoch in range(4)]
    [0.01, 0.01, 0.001, 0.0001]
    """
    return base / FACTOR ** sum(done_epochs >= epoch for epoch in drop_epochs)


def plateau(base: float, validation_errors: Sequence[float], patience: int) -> float | None:
    """The rate after epochs with these validation errors; None when training should stop.

    The paper's heuristic: divide by 10 when the validation error stops improving, three times.
    An epoch improves when its error is below every earlier one; `patience` epochs in a row
    that do not improve make a plateau, and the count begins anew after each division. The
    plateau after the third division ends training.

    >>> plateau(0.01, [0.9, 0.8, 0.8, 0.8], patience=2)
    0.001
    """
    best, waited, drops = float('inf'), 0, 0
    for error in validation_errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)
        if waited == patience:
            waited, drops = 0, drops + 1
    return base / FACTOR**drops if drops <= MOST_DROPS else None
