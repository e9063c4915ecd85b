"""Ensembles: the weighted mean of several networks' probabilities, and a search for the weights."""

from collections.abc import Iterator, Sequence

import numpy as np

from alexnet_tf.evaluation import metrics, prediction_cache
from alexnet_tf.models import outputs

Predictions = prediction_cache.Predictions

_CHUNK = 4096  # examples in memory at a time
# The 2012 source's search: each weight in turn over 0 to 1 in steps of 0.05, five times.
_START, _GRID, _PASSES = 0.5, np.linspace(0.0, 1.0, 21), 5


def average(
    members: Sequence[Predictions], weights: Sequence[float]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Averages the members' probabilities, some examples at a time.

    Args:
        members: Predictions of each network for the same examples.
        weights: One for each member. Only their proportions count.

    Yields:
        (slice of the examples, their mean probabilities float64).
    """
    shares = np.asarray(weights, float) / np.sum(weights)
    for start in range(0, len(members[0].labels), _CHUNK):
        rows = slice(start, start + _CHUNK)
        chunks = [member.probabilities[rows].astype(np.float64) for member in members]
        yield rows, np.tensordot(shares, np.stack(chunks), 1)


def compute_metrics(members: Sequence[Predictions], weights: Sequence[float]) -> dict[str, float]:
    """Computes `outputs.METRICS` of the weighted mean of some networks' probabilities.

    Args:
        members: Predictions of each network for the same examples.
        weights: One for each member. Only their proportions count.
    """
    sums, labels = np.zeros(len(outputs.METRICS)), members[0].labels
    for rows, mean in average(members, weights):
        losses = metrics.compute_log_loss(labels[rows], mean)
        errors = metrics.compute_top_k_errors(labels[rows], mean)
        sums += [values.sum() for values in (losses, *errors)]
    return dict(zip(outputs.METRICS, (sums / len(labels)).tolist(), strict=True))


def search_weights(members: Sequence[Predictions]) -> list[float]:
    """Searches weights with a low top-5 error by the 2012 source's coordinate search.

    Where top-5 errors are equal, as with few classes, top-1 error and then loss decide.

    Args:
        members: Predictions of each network for the same examples.
    """
    weights = [_START] * len(members)
    for _ in range(_PASSES):
        before = list(weights)
        for at in range(len(members)):
            candidates = [[*weights[:at], value, *weights[at + 1 :]] for value in _GRID.tolist()]
            weights = min(
                filter(any, candidates),  # weights that are all 0 have no mean
                key=lambda candidate: (_rank(members, candidate), candidate != weights),
            )
        if weights == before:
            break
    return weights


def _rank(members, weights) -> tuple[float, ...]:
    scores = compute_metrics(members, weights)
    return tuple(round(scores[name], 12) for name in reversed(outputs.METRICS))
