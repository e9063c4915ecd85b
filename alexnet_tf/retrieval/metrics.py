"""How good what is found is: pictures of the query's class are what is wanted."""

import numpy as np


def precision(labels: np.ndarray, queries: np.ndarray, places: np.ndarray, k: int) -> np.ndarray:
    """Of each query, the share of its first k that are of its class; what is not there is not.

    Args:
        labels: (database,) of what is searched.
        queries: (queries,) labels.
        places: (queries, at least k) of what was found, best first; -1 for nothing.
        k: Counted.
    """
    first = places[:, :k]
    return ((labels[first] == queries[:, None]) & (first >= 0)).sum(1) / k


def average_precision(labels: np.ndarray, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of each query, the mean of the precisions at the places of its class, over all of them.

    Args:
        labels, queries: As above.
        places: (queries, database): all, best first.
    """
    right = labels[places] == queries[:, None]
    at = np.cumsum(right, 1) / np.arange(1, right.shape[1] + 1)
    return (at * right).sum(1) / np.maximum(right.sum(1), 1)


def recall(true: np.ndarray, places: np.ndarray) -> float:
    """The share of the truly nearest that are among those found, over all queries.

    Args:
        true: (queries, number) places.
        places: (queries, any) places, -1 for nothing.
    """
    pairs = zip(true, places, strict=True)
    return float(np.mean([np.isin(wanted, found).mean() for wanted, found in pairs]))
