"""Mean image and colour covariance of the training pixels, as the network will see them."""

import itertools
from collections.abc import Iterable

import numpy as np


class Sums:
    """Sums over stored pictures: whole numbers, so exact and the same in any order.

    Args:
        size: Side of the pictures, at most 256.
    """

    def __init__(self, size: int):
        self.count = 0
        self.total = np.zeros((size, size, 3), np.uint32)
        self.products = np.zeros((3, 3))
        self._planes = np.empty((3, size, size), np.float32)

    def add(self, picture: np.ndarray) -> None:
        """Adds a picture, (size, size, 3) uint8."""
        self.count += 1
        self.total += picture
        self._planes[...] = picture.transpose(2, 0, 1)
        # A row at a time: sums of 256 products of bytes are exact in float32. Not by a matrix
        # product: BLAS' own threads would stand in the decoders' way.
        for one, other in itertools.combinations_with_replacement(range(3), 2):
            rows = np.einsum('ij,ij->i', self._planes[one], self._planes[other])
            self.products[one, other] += rows.sum(dtype=np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `combined` wants."""
        return {'count': np.int64(self.count), 'total': self.total, 'products': self.products}


def combined(parts: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The statistics of all pictures, of the arrays of several sums.

    Returns:
        mean_image: (size, size, 3) float32.
        covariance: (3, 3) float64, of all pixels' RGB.
        eigenvalues: (3,) float64, descending; grey levels squared.
        eigenvectors: (3, 3) float64; column i belongs to eigenvalue i, its largest component
            positive.
    """
    count, total, products = 0, 0.0, 0.0
    for part in parts:
        count += int(part['count'])
        total = total + part['total']
        products = products + part['products']
    products = np.triu(products) + np.triu(products, 1).T
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
