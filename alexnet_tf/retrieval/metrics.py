"""Metrics of retrieval; an image is relevant to a query if it has the query's class."""

import numpy as np


def compute_precision(
    labels: np.ndarray, query_labels: np.ndarray, indices: np.ndarray, *, k: int
) -> np.ndarray:
    """Computes the precision at k: the share of the first k results that are relevant.

    Args:
        labels: (database,) class labels.
        query_labels: (queries,) class labels.
        indices: (queries, at least k) results, nearest first; -1, for no result, is not relevant.
        k: Number of results that count.

    Returns:
        (queries,) float64 in [0, 1].
    """
    first = indices[:, :k]
    return ((labels[first] == query_labels[:, None]) & (first >= 0)).sum(1) / k


def compute_average_precision(
    labels: np.ndarray, query_labels: np.ndarray, indices: np.ndarray
) -> np.ndarray:
    """Computes the average precision: the mean of the precisions at each relevant image.

    Args:
        labels: (database,) class labels.
        query_labels: (queries,) class labels.
        indices: (queries, database) ranking of the whole database, nearest first.

    Returns:
        (queries,) float64 in [0, 1].
    """
    relevant = labels[indices] == query_labels[:, None]
    precision = np.cumsum(relevant, 1) / np.arange(1, relevant.shape[1] + 1)
    return (precision * relevant).sum(1) / np.maximum(relevant.sum(1), 1)


def compute_recall(true_indices: np.ndarray, indices: np.ndarray) -> float:
    """Computes the share of the true nearest neighbours that are among the results.

    Args:
        true_indices: (queries, neighbours) of exact search.
        indices: (queries, any number) results; -1 for no result.
    """
    pairs = zip(true_indices, indices, strict=True)
    return float(np.mean([np.isin(true, results).mean() for true, results in pairs]))
