"""Nearest-neighbour search: vectors by Euclidean distance, binary codes by Hamming distance.

Of neighbours at equal distance, the one that comes first in the database is returned first.
"""

import numpy as np

from alexnet_tf.retrieval import index
from input_pipeline import errors

ENGINES = ('numpy', 'faiss')
MAX_LOOKUP_BITS = 28  # of a code that is an address
_QUERY_BATCH = 64
_ROUNDING = 1e-4  # relative; candidates within it of the k-th are compared exactly
_MAX_PART_BITS, _QUANTISED_SAMPLE = 8, 1 << 16
_CANDIDATE_BLOCK = 4096  # candidates whose vectors are in memory at once


def import_faiss():
    """Imports faiss, which searches binary codes about eight times as fast as NumPy.

    Raises:
        PackageMissing: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise errors.PackageMissing(
            '--search_engine=faiss requires faiss: pip install "alexnet_tf[retrieval]".'
        ) from error
    return faiss


class EuclideanSearch:
    """Finds the nearest vectors.

    Matrix products in float64, around the database's mean, select candidates; exact distances
    order them. The vectors may be memory maps: they are read, not copied.

    Args:
        vectors: The database.
    """

    def __init__(self, vectors: index.Vectors):
        self._vectors = vectors
        self._mean = vectors.mean

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the k nearest vectors of each query, or all if there are fewer.

        Args:
            queries: (queries, values) float32.
            k: Neighbours per query.

        Returns:
            distances (queries, k) float64 and indices (queries, k) int64, nearest first.
        """
        k = min(k, len(self._vectors))
        distances, indices = np.empty((len(queries), k)), np.empty((len(queries), k), int)
        for start in range(0, len(queries), _QUERY_BATCH):
            batch = queries[start : start + _QUERY_BATCH]
            for row, candidates in enumerate(self._select_candidates(batch, k), start):
                distances[row], indices[row] = self._order(queries[row], candidates, k)
        return distances, indices

    def rank(self, queries: np.ndarray) -> np.ndarray:
        """Ranks the whole database for each query.

        Args:
            queries: (queries, values) float32.

        Returns:
            indices (queries, vectors) int64, nearest first.
        """
        queries = queries - self._mean
        squared = [_squared_distances(part - self._mean, queries) for part in self._vectors.parts]
        return np.argsort(np.hstack(squared), axis=1, kind='stable')

    def _select_candidates(self, queries: np.ndarray, k: int) -> list[np.ndarray]:
        """Returns, for each query, the ascending indices that may be among its k nearest."""
        queries, first = queries - self._mean, 0
        selected = [(np.empty(0), np.empty(0, int)) for _ in queries]
        for part in self._vectors.parts:
            part_indices = np.arange(first, first + len(part))
            for row, squared in enumerate(_squared_distances(part - self._mean, queries)):
                squared = np.concatenate([selected[row][0], squared])
                indices = np.concatenate([selected[row][1], part_indices])
                kept = _within_kth(squared, k)
                selected[row] = squared[kept], indices[kept]
            first += len(part)
        return [indices for _, indices in selected]

    def _order(self, query: np.ndarray, candidates: np.ndarray, k: int):
        """Returns the distances and indices of the k nearest candidates."""
        distances, indices = np.empty(0), np.empty(0, int)
        for start in range(0, len(candidates), _CANDIDATE_BLOCK):
            block = candidates[start : start + _CANDIDATE_BLOCK]
            offsets = self._vectors.take(block).astype(float) - query
            exact = np.sqrt(np.einsum('ij,ij->i', offsets, offsets))
            distances, indices = np.append(distances, exact), np.append(indices, block)
            order = np.lexsort((indices, distances))[:k]
            distances, indices = distances[order], indices[order]
        return distances, indices


def _squared_distances(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Returns squared distances, (queries, rows) float64."""
    norms = np.einsum('ij,ij->i', rows, rows) + np.einsum('ij,ij->i', queries, queries)[:, None]
    return np.maximum(norms - 2 * (queries @ rows.T), 0.0)


def _within_kth(squared: np.ndarray, k: int) -> np.ndarray:
    """Returns where the k smallest are, and all that may equal the k-th but for rounding."""
    if len(squared) <= k:
        return np.arange(len(squared))
    kth = np.partition(squared, k - 1)[k - 1]
    return np.flatnonzero(squared <= kth * (1 + _ROUNDING) + 1e-6)


class HammingSearch:
    """Finds the codes that differ in the fewest bits.

    Args:
        codes: (codes, bytes) uint8, the database; see `binary_codes.pack_bits`.
        engine: One of ENGINES; their results are equal.
    """

    def __init__(self, codes: np.ndarray, engine: str = 'numpy'):
        self._size, self._faiss = len(codes), None
        if engine == 'faiss':
            self._faiss = import_faiss().IndexBinaryFlat(8 * codes.shape[1])
            self._faiss.add(np.ascontiguousarray(codes))
        else:
            self._words = np.ascontiguousarray(_to_words(codes).T)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the k nearest codes of each query, or all if there are fewer.

        Args:
            queries: (queries, bytes) uint8.
            k: Neighbours per query.

        Returns:
            distances (queries, k) int64, in bits, and indices (queries, k) int64, nearest first.
        """
        k = min(k, self._size)
        if self._faiss:
            distances, indices = _search_with_faiss(self._faiss, queries, k)
            return distances.astype(int), indices
        distances, indices = np.empty((len(queries), k), int), np.empty((len(queries), k), int)
        for row, query in enumerate(_to_words(queries)):
            differing = np.zeros(self._size, np.int64)
            for column, word in zip(self._words, query, strict=True):
                differing += np.bitwise_count(column ^ word)
            distances[row], indices[row] = _smallest(differing, k)
        return distances, indices

    def rank(self, queries: np.ndarray) -> np.ndarray:
        """Ranks the whole database for each query; see `EuclideanSearch.rank`."""
        return self.search(queries, self._size)[1]


def _search_with_faiss(faiss_index, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Searches an index of faiss; of equal distances, the first in the database comes first."""
    distances, indices = faiss_index.search(np.ascontiguousarray(queries), k)
    order = np.lexsort((indices, distances))
    return tuple(np.take_along_axis(array, order, 1) for array in (distances, indices))


def _to_words(codes: np.ndarray) -> np.ndarray:
    """Returns the same bits as (codes, words) uint64."""
    padded = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 8)))
    return np.ascontiguousarray(padded).view(np.uint64)


def _smallest(distances: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k smallest distances and their indices, in order.

    Distances are small integers: counting them is faster than sorting them.
    """
    limit = int(np.searchsorted(np.cumsum(np.bincount(distances)), k))
    below = np.flatnonzero(distances < limit)
    at_limit = np.flatnonzero(distances == limit)[: k - len(below)]
    indices = np.concatenate([below, at_limit])
    order = np.argsort(distances[indices], kind='stable')
    return distances[indices][order], indices[order]


class HashLookup:
    """Finds near codes in a hash table of faiss, without a scan of the database.

    Args:
        codes: (codes, bytes) uint8, the database; see `binary_codes.pack_bits`.
        bits: Length of a code; all of it is the key of the table.
        flips: Codes that differ in more bits are not found.
    """

    def __init__(self, codes: np.ndarray, *, bits: int, flips: int):
        self._size = len(codes)
        self._faiss = import_faiss().IndexBinaryHash(8 * codes.shape[1], bits)
        self._faiss.nflip = flips
        self._faiss.add(np.ascontiguousarray(codes))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds near codes; see `HammingSearch.search`. Indices are -1 where none was found."""
        k = min(k, self._size)
        distances, indices = self._faiss.search(np.ascontiguousarray(queries), k)
        return distances.astype(int), indices.astype(int)


class ProductQuantiserSearch:
    """Finds near vectors by faiss's product quantiser (Jegou, Douze and Schmid 2011).

    A vector is cut into parts, and a part is stored as the number of the nearest of up to 256
    centroids, found by k-means among at most 65,536 vectors of the database. A query is not
    quantised. If parts of equal length do not fit the vectors, zeros are appended to them.

    Args:
        vectors: The database, at least two.
        bits: Length of a code.

    Example:
        >>> vectors = index.Vectors([np.eye(8, dtype=np.float32)])
        >>> distances, indices = ProductQuantiserSearch(vectors, bits=6).search(np.eye(8)[:1], 1)
        >>> distances.tolist(), indices.tolist()
        ([[0.0]], [[0]])
    """

    def __init__(self, vectors: index.Vectors, bits: int):
        most = min(_MAX_PART_BITS, int(np.log2(len(vectors))))
        part_bits = next(number for number in range(most, 0, -1) if bits % number == 0)
        parts = bits // part_bits
        values = max(-(-vectors.width // parts), 3)  # faiss fails at 2 with few centroids
        self._size, self._padding = len(vectors), parts * values - vectors.width
        self._faiss = import_faiss().IndexPQ(parts * values, parts, part_bits)
        self._faiss.pq.cp.min_points_per_centroid = 1  # no warning for each part
        number = min(self._size, _QUANTISED_SAMPLE)
        sample = np.random.default_rng(0).choice(self._size, number, replace=False)
        self._faiss.train(self._pad(vectors.take(np.sort(sample))))
        for part in vectors.parts:
            self._faiss.add(self._pad(part))

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the k vectors whose codes are nearest to each query.

        Args:
            queries: (queries, values) float32.
            k: Neighbours per query.

        Returns:
            squared distances from the codes (queries, k) float32 and indices (queries, k) int64,
            nearest first.
        """
        return _search_with_faiss(self._faiss, self._pad(queries), min(k, self._size))

    def rank(self, queries: np.ndarray) -> np.ndarray:
        """Ranks the whole database for each query; see `EuclideanSearch.rank`."""
        return self.search(queries, self._size)[1]

    def _pad(self, vectors: np.ndarray) -> np.ndarray:
        return np.pad(vectors.astype(np.float32), ((0, 0), (0, self._padding)))
