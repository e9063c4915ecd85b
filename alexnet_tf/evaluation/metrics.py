"""Scores of probabilities, recomputed in NumPy; and the weights of an ensemble."""

from collections.abc import Iterator, Sequence

import numpy as np

from alexnet_tf.models import outputs

_CHUNK = 4096  # rows in memory at a time
_LEAST = 1e-30  # probability, for its logarithm
# The 2012 source's search: each coefficient in turn over 0 to 1 in steps of 0.05, five times.
_START, _GRID, _PASSES = 0.5, np.linspace(0.0, 1.0, 21), 5


def score(
    members: Sequence[np.ndarray], labels: np.ndarray, weights: Sequence[float] | None = None
) -> dict[str, float]:
    """METRICS of the weighted mean of some networks' probabilities.

    Args:
        members: Of each, (examples, classes); may be memory maps.
        labels: (examples,) int.
        weights: Of the members; none: equal. Only their proportions count.
    """
    sums = np.zeros(len(outputs.METRICS))
    for rows, mean in means(members, np.ones(len(members)) if weights is None else weights):
        part = labels[rows]
        sums += [each.sum() for each in (_losses(mean, part), *errors(mean, part))]
    return dict(zip(outputs.METRICS, (sums / len(labels)).tolist(), strict=True))


def errors(probabilities: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Top-1 and top-5 errors of each example, in [0, 1]; ties count in parts."""
    own = np.take_along_axis(probabilities, labels[:, None], 1)
    better, tied = (probabilities > own).sum(1), (probabilities == own).sum(1)
    return [1 - np.clip(number - better, 0, tied) / np.maximum(tied, 1) for number in (1.0, 5.0)]


def search(members: Sequence[np.ndarray], labels: np.ndarray) -> list[float]:
    """Weights with a low top-5 error, by the 2012 source's coordinate search.

    Among weights with one top-5 error, as with few classes, top-1 error and loss decide.
    """
    weights = [_START] * len(members)
    for _ in range(_PASSES):
        before = list(weights)
        for at in range(len(members)):
            tried = [[*weights[:at], value, *weights[at + 1 :]] for value in _GRID.tolist()]
            possible = [each for each in tried if any(each)]
            weights = min(
                possible, key=lambda each: (_rank(members, labels, each), each != weights)
            )
        if weights == before:
            break
    return weights


def _rank(members, labels, weights) -> tuple[float, ...]:
    found = score(members, labels, weights)
    return tuple(round(found[name], 12) for name in reversed(outputs.METRICS))


def _losses(probabilities, labels) -> np.ndarray:
    own = np.take_along_axis(probabilities, labels[:, None], 1)[:, 0]
    return -np.log(np.maximum(own, _LEAST))


def means(
    members: Sequence[np.ndarray], weights: Sequence[float]
) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows, weighted mean of the members' probabilities there), some rows at a time, in float64.

    Args:
        members, weights: See `score`.
    """
    shares = np.asarray(weights, float) / np.sum(weights)
    for start in range(0, len(members[0]), _CHUNK):
        rows = slice(start, start + _CHUNK)
        parts = np.stack([each[rows].astype(np.float64) for each in members])
        yield rows, np.tensordot(shares, parts, 1)
