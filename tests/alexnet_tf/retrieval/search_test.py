"""Nearest neighbours against plain loops; NumPy and faiss give equal results."""

import sys

import numpy as np
import pytest

from alexnet_tf.retrieval import binary_codes, index, search
from input_pipeline import errors


@pytest.fixture(scope='module')
def vectors():
    rows = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    rows[200] = rows[5]  # of two equal vectors, the first comes first
    return index.Vectors([rows[:100], rows[100:101], rows[101:]])


@pytest.fixture(scope='module')
def queries(vectors):
    near = vectors.take([5, 100, 299])
    return np.concatenate([near, np.random.default_rng(1).normal(size=(7, 40))]).astype(np.float32)


def rank_by_loop(vectors, query):
    """(distance, index) of every vector, nearest first."""
    distances = [float(np.linalg.norm(vectors.take([at])[0] - query)) for at in range(300)]
    return sorted(zip(distances, range(300), strict=True))


@pytest.mark.parametrize('k', [1, 7, 300, 1000])
def test_euclidean_search_finds_the_nearest_vectors(vectors, queries, k):
    distances, indices = search.EuclideanSearch(vectors).search(queries, k)
    assert indices.shape == (10, min(k, 300))
    for query, row_distances, row in zip(queries, distances, indices, strict=True):
        expected = rank_by_loop(vectors, query)[: len(row)]
        assert row.tolist() == [at for _, at in expected]
        np.testing.assert_allclose(
            row_distances, [distance for distance, _ in expected], rtol=1e-5, atol=1e-6
        )
    assert indices[0].tolist()[:2] == [5, 200][:k]
    assert distances[0, 0] == 0


def test_a_ranking_orders_the_whole_database(vectors, queries):
    rankings = search.EuclideanSearch(vectors).rank(queries)
    for query, ranking in zip(queries, rankings, strict=True):
        assert ranking.tolist() == [at for _, at in rank_by_loop(vectors, query)]


def test_many_equal_vectors_are_returned_in_order():
    """Far from the origin, where the squares in float32 lose small distances."""
    rows = 100 + 0.1 * np.random.default_rng(0).normal(size=(1000, 20)).astype(np.float32)
    rows[::2] = rows[0]
    euclidean = search.EuclideanSearch(index.Vectors([rows[:300], rows[300:]]))
    _, indices = euclidean.search(rows[:1], 4)
    assert indices.tolist() == [[0, 2, 4, 6]]
    _, indices = euclidean.search(rows[1:40:2], 5)
    exact = np.linalg.norm(rows[None].astype(float) - rows[1:40:2, None], axis=2)
    np.testing.assert_array_equal(indices, np.argsort(exact, axis=1, kind='stable')[:, :5])


def test_nearer_vectors_are_found_behind_many_at_equal_distance():
    rows = np.zeros((5005, 3), np.float32)
    rows[:5000, 0], rows[5000:, 0] = 3e-4, 1e-4
    query = np.zeros((1, 3), np.float32)
    _, indices = search.EuclideanSearch(index.Vectors([rows])).search(query, 7)
    assert indices.tolist() == [[5000, 5001, 5002, 5003, 5004, 0, 1]]


def test_very_many_vectors_at_equal_distance_are_returned_in_order():
    """Matrix products give them squared distances that differ by rounding."""
    rows = np.sign(np.random.default_rng(0).normal(size=(9000, 64))).astype(np.float32)
    query = np.zeros((1, 64), np.float32)
    euclidean = search.EuclideanSearch(index.Vectors([rows[:5000], rows[5000:]]))
    _, indices = euclidean.search(query, 7)
    assert indices.tolist() == [[0, 1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize('engine', search.ENGINES)
@pytest.mark.parametrize('bits', [3, 28, 64, 100, 256])
def test_hamming_search_finds_the_nearest_codes(engine, bits):
    """Most distances of short codes are tied."""
    pytest.importorskip('faiss')
    rng = np.random.default_rng(bits)
    database, queries = (rng.integers(0, 2, (number, bits)).astype(bool) for number in (500, 6))
    hamming = search.HammingSearch(binary_codes.pack_bits(database), engine)
    distances, indices = hamming.search(binary_codes.pack_bits(queries), 20)
    for query, row_distances, row in zip(queries, distances, indices, strict=True):
        ranking = sorted((int((code != query).sum()), at) for at, code in enumerate(database))
        assert list(zip(row_distances.tolist(), row.tolist(), strict=True)) == ranking[:20]


def test_hamming_search_returns_all_codes_if_there_are_fewer_than_k():
    codes = binary_codes.pack_bits(np.eye(8, dtype=bool))
    hamming = search.HammingSearch(codes)
    distances, indices = hamming.search(codes[:1], 50)
    assert indices.tolist() == [list(range(8))]
    assert distances.tolist() == [[0] + [2] * 7]
    assert hamming.rank(codes[:1]).tolist() == indices.tolist()


def test_a_lookup_finds_near_codes_and_no_others():
    pytest.importorskip('faiss')
    bits = np.zeros((6, 28), bool)
    bits[1, :2], bits[2, :3], bits[3, 5] = True, True, True
    bits[4, 26:], bits[5, 25:] = True, True
    codes = binary_codes.pack_bits(bits)
    distances, indices = search.HashLookup(codes, bits=28, flips=2).search(codes[:1], 6)
    pairs = zip(indices[0].tolist(), distances[0].tolist(), strict=True)
    assert {at: distance for at, distance in pairs if at >= 0} == {0: 0, 1: 2, 3: 1, 4: 2}


@pytest.mark.parametrize('bits', [4, 28, 64])
def test_a_product_quantiser_with_a_centroid_for_each_vector_is_exact(vectors, bits):
    """16 vectors make parts of 4 bits, which have 16 centroids; 40 values are no 7 parts."""
    pytest.importorskip('faiss')
    rows = vectors.take(range(16))
    quantiser = search.ProductQuantiserSearch(index.Vectors([rows[:3], rows[3:]]), bits)
    queries = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    distances, indices = quantiser.search(queries, 99)
    exact = ((rows - queries[:, None]) ** 2).sum(2)
    np.testing.assert_array_equal(indices, exact.argsort(1))
    np.testing.assert_allclose(distances, np.sort(exact), rtol=1e-4)
    np.testing.assert_array_equal(quantiser.rank(queries), indices)


def test_a_longer_code_of_a_product_quantiser_finds_more_of_the_nearest(vectors, queries):
    pytest.importorskip('faiss')
    exact = search.EuclideanSearch(vectors).rank(queries)[:, :20]
    shared = []
    for bits in (1, 31, 320):
        _, indices = search.ProductQuantiserSearch(vectors, bits).search(queries, 20)
        shared.append(np.mean([len({*a} & {*b}) for a, b in zip(exact, indices, strict=True)]))
    assert shared[0] < shared[1] < shared[2]
    assert shared[2] > 18


def test_without_faiss_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(errors.PackageMissing, match=r'alexnet_tf\[retrieval\]'):
        search.import_faiss()
