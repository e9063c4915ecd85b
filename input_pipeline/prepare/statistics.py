"""Computes the mean image and the colour covariance of the stored training pixels."""

import itertools
from collections.abc import Iterable

import numpy as np

from input_pipeline.records import manifests


class PixelSums:
    """Sums over stored images: integers, so exact and the same in any order.

    Args:
        size: Side of the images, at most 256.
    """

    def __init__(self, size: int):
        self._count = 0
        self._total = np.zeros((size, size, 3), np.uint32)
        self._products = np.zeros((3, 3))
        self._planes = np.empty((3, size, size), np.float32)

    def add(self, image: np.ndarray) -> None:
        """Adds an image, (size, size, 3) uint8 RGB."""
        self._count += 1
        self._total += image
        self._planes[...] = image.transpose(2, 0, 1)
        # A row at a time: sums of 256 products of bytes are exact in float32. Not by a matrix
        # product, since BLAS' own threads would compete with the decoders.
        for first, second in itertools.combinations_with_replacement(range(3), 2):
            rows = np.einsum('ij,ij->i', self._planes[first], self._planes[second])
            self._products[first, second] += rows.sum(dtype=np.float64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns the sums as arrays by name, for `combine`."""
        return {'count': np.int64(self._count), 'total': self._total, 'products': self._products}


def combine(parts: Iterable[dict[str, np.ndarray]]) -> manifests.ImageStatistics:
    """Computes the statistics of all images from the arrays of several `PixelSums`."""
    count, total, products = 0, 0.0, 0.0
    for part in parts:
        count += int(part['count'])
        total = total + part['total']
        products = products + part['products']
    products = np.triu(products) + np.triu(products, 1).T
    pixels = count * total.shape[0] * total.shape[1]
    mean = total.sum(axis=(0, 1)) / pixels
    covariance = products / pixels - np.outer(mean, mean)
    eigenvalues, eigenvectors = compute_principal_components(covariance)
    return manifests.ImageStatistics(
        mean_image=(total / count).astype(np.float32),
        covariance=covariance,
        eigenvalues=eigenvalues,
        eigenvectors=eigenvectors,
    )


def compute_principal_components(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes eigenvalues, descending, and eigenvectors as columns, each with a definite sign.

    >>> compute_principal_components(np.diag([1.0, 4.0]))[0]
    array([4., 1.])
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    return values.copy(), vectors * np.sign(largest)
