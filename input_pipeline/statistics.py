"""Mean image and colour covariance of the training pixels, as the network will see them."""

import concurrent.futures
from collections.abc import Sequence

import numpy as np

from input_pipeline import order, preprocessing


def of_records(
    shards: Sequence[tuple[str, int]], *, record_encoding: str, workers: int
) -> dict[str, np.ndarray]:
    """The statistics of training records.

    Sums of whole numbers below 2^53, so exact and the same in any order.

    Returns:
        mean_image: (256, 256, 3) float32.
        covariance: (3, 3) float64, of all pixels' RGB.
        eigenvalues: (3,) float64, descending; grey levels squared.
        eigenvectors: (3, 3) float64; column i belongs to eigenvalue i, its largest component
            positive.
    """
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda each: _sums([each], record_encoding), shards))
    count = sum(records for _, records in shards)
    total, products = (sum(each) for each in zip(*parts, strict=True))
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


def _sums(shards, record_encoding: str) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the pictures, (256, 256, 3), and of the pixels' outer products, (3, 3)."""
    total = np.zeros((preprocessing.SQUARE_SIZE,) * 2 + (3,))
    products = np.zeros((3, 3))

    def decoded(chunk):
        encoded, _ = preprocessing.parse(chunk.records)
        return preprocessing.decode(encoded, record_encoding)

    for pictures in order.chunks(shards, reshuffle=False).map(decoded):
        for picture in pictures.numpy():
            pixels = picture.astype(np.float64)
            total += pixels
            flat = pixels.reshape(-1, 3)
            products += flat.T @ flat
    return total, products
