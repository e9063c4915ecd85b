"""The nearest vectors and codes, by NumPy or by faiss (the extra [retrieval]), with equal results.

Of equal distances the first in the order of the records comes first. A searcher is built once
and asked often; faiss copies what it searches into memory, NumPy reads it where it is.
"""

from collections.abc import Iterator

import numpy as np

from alexnet_tf.retrieval import index

ENGINES = ('numpy', 'faiss')
_QUERIES = 64  # at once
_ROUNDING = 1e-4  # relative; candidates within it of the last are compared exactly
_BLOCK = 4096  # candidates compared at once


def faiss():
    """The library; ImportError where it is not installed, with what to do."""
    try:
        import faiss as found
    except ImportError as error:
        raise ImportError(
            '--search_engine=faiss needs faiss: pip install "alexnet_tf[retrieval]".'
        ) from error
    return found


class Euclidean:
    """Finds the nearest vectors.

    Candidates are found in float32 or by float64 products, around the database's mean; exact
    distances order them.

    Args:
        vectors: Searched.
        engine: One of ENGINES.
    """

    def __init__(self, vectors: index.Vectors, engine: str = 'numpy'):
        self._vectors, self._faiss = vectors, None
        sums = sum(each.sum(0, dtype=np.float64) for each in vectors.parts)
        self._mean = sums / len(vectors)
        if engine == 'faiss':
            self._faiss = faiss().IndexFlatL2(vectors.width)
            for part in vectors.parts:
                self._faiss.add(self._centred(part).astype(np.float32))

    def nearest(self, queries: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(distances (queries, number) float64, places int64), nearest first.

        Args:
            queries: (queries, values) float32.
            number: Of neighbours; all where there are fewer.
        """
        number = min(number, len(self._vectors))
        find = self._by_faiss if self._faiss else self._by_numpy
        distances, places = np.empty((len(queries), number)), np.empty((len(queries), number), int)
        for start in range(0, len(queries), _QUERIES):
            some = queries[start : start + _QUERIES]
            for at, candidates in enumerate(find(some, number), start):
                distances[at], places[at] = self._first(queries[at], candidates, number)
        return distances, places

    def _first(self, query, candidates: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(distances, places) of the nearest candidates, by exact distances."""
        lengths, places = np.empty(0), np.empty(0, int)
        for start in range(0, len(candidates), _BLOCK):
            some = candidates[start : start + _BLOCK]
            exact = self._vectors.rows(some).astype(float) - query
            lengths = np.concatenate([lengths, np.sqrt(np.einsum('ij,ij->i', exact, exact))])
            places = np.concatenate([places, some])
            order = np.lexsort((places, lengths))[:number]
            lengths, places = lengths[order], places[order]
        return lengths, places

    def ranking(self, queries: np.ndarray) -> np.ndarray:
        """All places, nearest first, (queries, vectors) int64: for averages over whole rankings."""
        centred = self._centred(queries)
        near = [_squares(self._centred(part), centred) for part in self._vectors.parts]
        return np.argsort(np.hstack(near), axis=1, kind='stable')

    def _centred(self, rows: np.ndarray) -> np.ndarray:
        return rows - self._mean

    def _by_numpy(self, queries, number: int) -> Iterator[np.ndarray]:
        """Places of candidates in ascending order, for each query."""
        centred, first = self._centred(queries), 0
        found = [(np.empty(0), np.empty(0, int)) for _ in queries]
        for part in self._vectors.parts:
            squares = _squares(self._centred(part), centred)
            for at, row in enumerate(squares):
                far, places = found[at]
                far = np.concatenate([far, row])
                places = np.concatenate([places, np.arange(first, first + len(part))])
                kept = _within(far, number)
                found[at] = far[kept], places[kept]
            first += len(part)
        return (places for _, places in found)

    def _by_faiss(self, queries, number: int) -> Iterator[np.ndarray]:
        for each in self._centred(queries).astype(np.float32):
            last = float(self._faiss.search(each[None], number)[0][0, -1])
            radius = last * (1 + _ROUNDING) + 1e-6
            _, far, places = self._faiss.range_search(each[None], radius)
            places = places.astype(int)
            order = np.argsort(places)
            far, places = far[order], places[order]
            yield places[_within(far, min(number, len(far)))]


def _squares(part: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Squared distances, (queries, rows) float64."""
    own = np.einsum('ij,ij->i', part, part) + np.einsum('ij,ij->i', queries, queries)[:, None]
    return np.maximum(own - 2 * (queries @ part.T), 0.0)


def _within(far: np.ndarray, number: int) -> np.ndarray:
    """Where the `number` smallest are, and those that may be as small but for rounding."""
    if len(far) <= number:
        return np.arange(len(far))
    last = np.partition(far, number - 1)[number - 1]
    return np.flatnonzero(far <= last * (1 + _ROUNDING) + 1e-6)


class Hamming:
    """Finds the codes with the fewest other bits.

    Args:
        codes: (codes, bytes) uint8, searched; see `codes.packed`.
        engine: One of ENGINES.
    """

    def __init__(self, codes: np.ndarray, engine: str = 'numpy'):
        self._number, self._faiss = len(codes), None
        if engine == 'faiss':
            self._faiss = faiss().IndexBinaryFlat(8 * codes.shape[1])
            self._faiss.add(np.ascontiguousarray(codes))
        else:
            self._words = np.ascontiguousarray(_words(codes).T)

    def nearest(self, queries: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(distances (queries, number) int64, places int64), nearest first.

        Args:
            queries: (queries, bytes) uint8.
            number: Of neighbours; all where there are fewer.
        """
        number = min(number, self._number)
        if self._faiss:
            distances, places = self._faiss.search(np.ascontiguousarray(queries), number)
            order = np.lexsort((places, distances))
            return tuple(np.take_along_axis(e, order, 1).astype(int) for e in (distances, places))
        shape = (len(queries), number)
        distances, places = np.empty(shape, int), np.empty(shape, int)
        for at, query in enumerate(_words(queries)):
            apart = np.zeros(self._number, np.int64)
            for column, word in zip(self._words, query, strict=True):
                apart += np.bitwise_count(column ^ word)
            distances[at], places[at] = _first(apart, number)
        return distances, places


def _words(codes: np.ndarray) -> np.ndarray:
    """The same bits in numbers of 64: (codes, words)."""
    filling = -codes.shape[1] % 8
    padded = np.pad(codes, ((0, 0), (0, filling)))
    return np.ascontiguousarray(padded).view(np.uint64)


def _first(apart: np.ndarray, number: int):
    """The smallest, in order; no sorting of all, for distances are small whole numbers."""
    below = np.cumsum(np.bincount(apart))
    limit = int(np.searchsorted(below, number))
    inside = np.flatnonzero(apart < limit)
    at_limit = np.flatnonzero(apart == limit)[: number - len(inside)]
    found = np.concatenate([inside, at_limit])
    order = np.argsort(apart[found], kind='stable')
    return apart[found][order], found[order]


class Lookups:
    """Finds near short codes by their addresses in a table (faiss), without looking at all.

    Args:
        codes: As of `Hamming`.
        bits: Of a code, all of which are its address.
        flips: Addresses with up to so many other bits are looked up: codes further off are not
            found.
    """

    def __init__(self, codes: np.ndarray, bits: int, flips: int):
        self._number = len(codes)
        self._faiss = faiss().IndexBinaryHash(8 * codes.shape[1], bits)
        self._faiss.nflip = flips
        self._faiss.add(np.ascontiguousarray(codes))

    def nearest(self, queries: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """As of `Hamming`; places of what was not found are -1."""
        number = min(number, self._number)
        distances, places = self._faiss.search(np.ascontiguousarray(queries), number)
        return distances.astype(int), places.astype(int)
