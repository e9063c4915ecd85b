"""Learning rates as functions of the epoch and of what validation showed."""

import re
from collections.abc import Sequence

FACTOR = 10.0
MOST_DROPS = 3
_SPAN, _STRETCHES = 250.0, 4
_LAYER_RATE = re.compile(r'(\w+)=([\d.]+)(?:@(\d+))?')


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


def geometric(base: float, done_epochs: int, epochs: int) -> float:
    """The rate after `done_epochs` of `epochs`: four equal stretches, each a cube root of 250
    below the one before it.

    The 2012 author's later substitute for dropping rates by hand (cuda-convnet2's dexp schedule).

    >>> [round(geometric(0.01, epoch, 8), 8) for epoch in (0, 2, 4, 6)]
    [0.01, 0.0015874, 0.00025198, 4e-05]
    """
    stretch = min(_STRETCHES * done_epochs // epochs, _STRETCHES - 1)
    return base / _SPAN ** (stretch / (_STRETCHES - 1))


def geometric_biases(multiplier: float, done_epochs: int, epochs: int) -> float:
    """The biases' rate as a multiple of the weights' in a geometric schedule: divided by 10 once,
    at half time, whatever the weights do.

    >>> [round(geometric_biases(2.0, epoch, 8) * geometric(0.01, epoch, 8), 6) for epoch in (2, 4)]
    [0.02, 0.002]
    """
    dropped = FACTOR if 2 * done_epochs >= epochs else 1.0
    return multiplier / dropped / geometric(1.0, done_epochs, epochs)


def layer_multipliers(layer_rates: Sequence[str], done_epochs: int) -> dict[str, float]:
    """By layer, what its learning rate is multiplied by after `done_epochs` epochs.

    Args:
        layer_rates: 'LAYER=MULTIPLIER', or 'LAYER=MULTIPLIER@EPOCHS': from then on. Of a layer's,
            the last that holds counts.

    >>> layer_multipliers(('fc8=10', 'conv1=0.1@2', 'conv1=0@3'), 2)
    {'fc8': 10.0, 'conv1': 0.1}
    """
    found = {}
    for each in layer_rates:
        layer, multiplier, since = _LAYER_RATE.fullmatch(each).groups()
        if done_epochs >= int(since or 0):
            found[layer] = float(multiplier)
    return found
