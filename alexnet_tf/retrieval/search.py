"""The nearest vectors and codes, by NumPy or by faiss (the extra [retrieval]), with equal results.

Of equal distances the first in the order of the records comes first.
"""

from collections.abc import Callable

import numpy as np

from alexnet_tf.retrieval import index

ENGINES = ('numpy', 'faiss')
_QUERIES = 256  # at once
_SPARE = 16  # candidates more than are asked for, for rounding may change their order


def euclidean(
    vectors: index.Vectors, queries: np.ndarray, number: int, engine: str = 'numpy'
) -> tuple[np.ndarray, np.ndarray]:
    """(distances (queries, number) float64, places int64) of the nearest vectors, nearest first.

    Args:
        vectors: Searched.
        queries: (queries, values) float32.
        number: Of neighbours; all where there are fewer.
        engine: One of ENGINES.
    """
    number = min(number, len(vectors))
    find = {'numpy': _candidates, 'faiss': _faiss_candidates}[engine](vectors)
    distances, places = np.empty((len(queries), number)), np.empty((len(queries), number), int)
    for start in range(0, len(queries), _QUERIES):
        some = queries[start : start + _QUERIES]
        wanted = min(2 * number + _SPARE, len(vectors))
        for at, near in enumerate(find(some, wanted), start):
            exact = vectors.rows(near).astype(float) - queries[at]
            lengths = np.sqrt(np.einsum('ij,ij->i', exact, exact))
            order = np.lexsort((near, lengths))[:number]
            distances[at], places[at] = lengths[order], near[order]
    return distances, places


def every(vectors: index.Vectors, queries: np.ndarray) -> np.ndarray:
    """All places, nearest first, (queries, vectors) int64: for averages over whole rankings."""
    near = [_nearness(part, queries) for part in vectors.parts]
    return np.argsort(np.hstack(near), axis=1, kind='stable')


def _nearness(part, queries) -> np.ndarray:
    """The squared distance without the query's own square, which is the same for all."""
    return np.einsum('ij,ij->i', part, part) - 2 * (queries @ part.T)


def _candidates(vectors: index.Vectors) -> Callable:
    def find(queries, number):
        best, places = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), int)
        first = 0
        for part in vectors.parts:
            near = _nearness(part, queries)
            here = np.broadcast_to(np.arange(first, first + len(part)), near.shape)
            best, places = np.hstack([best, near]), np.hstack([places, here])
            if best.shape[1] > number:
                kept = np.argpartition(best, number - 1, axis=1)[:, :number]
                best, places = (np.take_along_axis(each, kept, 1) for each in (best, places))
            first += len(part)
        return places

    return find


def _faiss_candidates(vectors: index.Vectors) -> Callable:
    made = faiss().IndexFlatL2(vectors.width)
    for part in vectors.parts:
        made.add(np.ascontiguousarray(part))
    return lambda queries, number: made.search(np.ascontiguousarray(queries), number)[1]


def faiss():
    """The library; ImportError where it is not installed, with what to do."""
    try:
        import faiss as found
    except ImportError as error:
        raise ImportError(
            '--search_engine=faiss needs faiss: pip install "alexnet_tf[retrieval]".'
        ) from error
    return found


def hamming(
    codes: np.ndarray, queries: np.ndarray, number: int, engine: str = 'numpy'
) -> tuple[np.ndarray, np.ndarray]:
    """(distances (queries, number) int64, places int64) of the codes with the fewest other bits.

    Args:
        codes: (codes, bytes) uint8, searched; see `codes.packed`.
        queries: (queries, bytes) uint8.
        number: Of neighbours; all where there are fewer.
        engine: One of ENGINES.
    """
    number = min(number, len(codes))
    if engine == 'faiss':
        return _faiss_hamming(codes, queries, number)
    words, asked = np.ascontiguousarray(_words(codes).T), _words(queries)
    distances, places = np.empty((len(queries), number), int), np.empty((len(queries), number), int)
    for at, query in enumerate(asked):
        apart = np.zeros(len(codes), np.int64)
        for column, word in zip(words, query, strict=True):
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


def _faiss_hamming(codes, queries, number):
    made = faiss().IndexBinaryFlat(8 * codes.shape[1])
    made.add(np.ascontiguousarray(codes))
    distances, places = made.search(np.ascontiguousarray(queries), number)
    order = np.lexsort((places, distances))
    return tuple(np.take_along_axis(each, order, 1).astype(int) for each in (distances, places))


def hashed(
    codes: np.ndarray, queries: np.ndarray, number: int, *, bits: int, flips: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same by lookups in a table of short codes (faiss), which never looks at all of them.

    Args:
        codes, queries, number: As of `hamming`.
        bits: Of a code that are its address in the table.
        flips: Addresses with up to so many other bits are looked up: codes further off are not
            found. Places of what was not found are -1.
    """
    made = faiss().IndexBinaryHash(8 * codes.shape[1], bits)
    made.nflip = flips
    made.add(np.ascontiguousarray(codes))
    distances, places = made.search(np.ascontiguousarray(queries), min(number, len(codes)))
    return distances.astype(int), places.astype(int)
