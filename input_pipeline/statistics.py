"""Mean image and colour covariance of the training pixels, as the network will see them."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from input_pipeline import engine, order, preprocessing


def of_records(
    shards: Sequence[tuple[str, int]],
    *,
    record_encoding: str,
    square_size: int,
    running: engine.Engine,
    parts: int,
) -> dict[str, np.ndarray]:
    """The statistics of training records.

    Sums of whole numbers below 2^53, so exact and the same in any order.

    Args:
        shards: (path, number of records) of each.
        record_encoding: 'jpeg' or 'raw'.
        square_size: Side of the stored pictures.
        running: What does it.
        parts: Into so many tasks the work is cut; the result does not depend on it.

    Returns:
        mean_image: (square_size, square_size, 3) float32.
        covariance: (3, 3) float64, of all pixels' RGB.
        eigenvalues: (3,) float64, descending; grey levels squared.
        eigenvectors: (3, 3) float64; column i belongs to eigenvalue i, its largest component
            positive.
    """
    total = np.zeros((square_size, square_size, 3))
    products = np.zeros((3, 3))
    tasks = [
        _Task(shards[at::parts], record_encoding, square_size)
        for at in range(min(parts, len(shards)))
    ]
    for part, outer in running.run(_sums, tasks):
        total += part
        products += outer
    count = sum(records for _, records in shards)
    pixels = count * total.shape[0] * total.shape[1]
    mean = total.sum(axis=(0, 1)) / pixels
    covariance = products / pixels - np.outer(mean, mean)
    eigenvalues, eigenvectors = principal_components(covariance)
    return {
        'mean_image': (total / count).astype(np.float32),
        'covariance': covariance,
        'eigenvalues': eigenvalues,
        'eigenvectors': eigenvectors,
    }


def principal_components(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, descending, and eigenvectors as columns, each with a definite sign."""
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return values.copy(), vectors * np.sign(largest)


@dataclasses.dataclass(frozen=True)
class _Task:
    shards: Sequence[tuple[str, int]]
    record_encoding: str
    square_size: int


def _sums(task: _Task, count: engine.Count) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the pictures, (256, 256, 3), and of the pixels' outer products, (3, 3)."""
    size = task.square_size
    total = np.zeros((size, size, 3), np.uint32)
    products = np.zeros((3, 3))
    planes = np.empty((3, size**2))

    def decoded(chunk):
        encoded, _ = preprocessing.parse(chunk.records)
        return preprocessing.decode(encoded, task.record_encoding, size)

    chunks = order.chunks(task.shards, reshuffle=False, group_examples=1)  # a shard at a time
    for pictures in chunks.map(decoded):
        for picture in pictures.numpy():
            total += picture
            planes[...] = picture.reshape(-1, 3).T
            # Not by a matrix product: BLAS' own threads would stand in the decoders' way.
            for one, other in itertools.combinations_with_replacement(range(3), 2):
                products[one, other] += np.einsum('i,i', planes[one], planes[other])
            count()
    return total, np.triu(products) + np.triu(products, 1).T
