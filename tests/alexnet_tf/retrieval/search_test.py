"""What is nearest, against loops; NumPy and faiss alike."""

import numpy as np
import pytest

from alexnet_tf.retrieval import binary_codes, index, search


@pytest.fixture(scope='module')
def vectors():
    made = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    made[200] = made[5]  # twice the same: the first comes first
    return index.Vectors([made[:100], made[100:101], made[101:]])


@pytest.fixture(scope='module')
def queries(vectors):
    near = vectors.rows([5, 100, 299])
    return np.concatenate([near, np.random.default_rng(1).normal(size=(7, 40))]).astype(np.float32)


def loops(vectors, query):
    lengths = [(float(np.linalg.norm(vectors.rows([at])[0] - query)), at) for at in range(300)]
    return sorted(lengths)


@pytest.mark.parametrize('engine', search.ENGINES)
@pytest.mark.parametrize('number', [1, 7, 300, 1000])
def test_euclidean(vectors, queries, engine, number):
    pytest.importorskip('faiss')
    distances, places = search.Euclidean(vectors, engine).nearest(queries, number)
    assert places.shape == (10, min(number, 300))
    for query, near, found in zip(queries, distances, places, strict=True):
        expected = loops(vectors, query)[: len(found)]
        assert found.tolist() == [at for _, at in expected]
        np.testing.assert_allclose(near, [each for each, _ in expected], rtol=1e-5, atol=1e-6)
    assert places[0].tolist()[:2] == [5, 200][:number]
    assert distances[0, 0] == 0


def test_the_whole_order(vectors, queries):
    for query, order in zip(queries, search.Euclidean(vectors).ranking(queries), strict=True):
        assert order.tolist() == [at for _, at in loops(vectors, query)]


@pytest.mark.parametrize('engine', search.ENGINES)
def test_of_many_alike_the_first_come_first(engine):
    """Far from the origin, where float32's squares know nothing of small distances."""
    pytest.importorskip('faiss')
    made = 100 + 0.1 * np.random.default_rng(0).normal(size=(1000, 20)).astype(np.float32)
    made[::2] = made[0]
    vectors = index.Vectors([made[:300], made[300:]])
    _, places = search.Euclidean(vectors, engine).nearest(made[:1], 4)
    assert places.tolist() == [[0, 2, 4, 6]]
    _, places = search.Euclidean(vectors, engine).nearest(made[1:40:2], 5)
    exact = np.linalg.norm(made[None].astype(float) - made[1:40:2, None], axis=2)
    np.testing.assert_array_equal(places, np.argsort(exact, axis=1, kind='stable')[:, :5])


@pytest.mark.parametrize('engine', search.ENGINES)
def test_what_is_nearer_is_found_behind_many_that_are_equally_far(engine):
    pytest.importorskip('faiss')
    made = np.zeros((5005, 3), np.float32)
    made[:5000, 0], made[5000:, 0] = 3e-4, 1e-4
    query = np.zeros((1, 3), np.float32)
    _, places = search.Euclidean(index.Vectors([made]), engine).nearest(query, 7)
    assert places.tolist() == [[5000, 5001, 5002, 5003, 5004, 0, 1]]


@pytest.mark.parametrize('engine', search.ENGINES)
def test_of_very_many_that_are_equally_far_the_first_come_first(engine):
    """Whose squares, by products of matrices, differ by their rounding."""
    pytest.importorskip('faiss')
    made = np.sign(np.random.default_rng(0).normal(size=(9000, 64))).astype(np.float32)
    query = np.zeros((1, 64), np.float32)
    _, places = search.Euclidean(index.Vectors([made[:5000], made[5000:]]), engine).nearest(
        query, 7
    )
    assert places.tolist() == [[0, 1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize('engine', search.ENGINES)
@pytest.mark.parametrize('bits', [3, 28, 64, 100, 256])
def test_hamming(engine, bits):
    """With short codes most distances are tied."""
    pytest.importorskip('faiss')
    random = np.random.default_rng(bits)
    every, asked = (random.integers(0, 2, (number, bits)).astype(bool) for number in (500, 6))
    searcher = search.Hamming(binary_codes.packed(every), engine)
    distances, places = searcher.nearest(binary_codes.packed(asked), 20)
    for query, near, found in zip(asked, distances, places, strict=True):
        expected = sorted((int((each != query).sum()), at) for at, each in enumerate(every))[:20]
        assert list(zip(near.tolist(), found.tolist(), strict=True)) == expected


def test_more_neighbours_than_codes():
    every = binary_codes.packed(np.eye(8, dtype=bool))
    distances, places = search.Hamming(every).nearest(every[:1], 50)
    assert places.tolist() == [list(range(8))]
    assert distances.tolist() == [[0] + [2] * 7]


def test_lookups_find_what_is_near_and_nothing_else():
    pytest.importorskip('faiss')
    every = np.zeros((6, 28), bool)
    every[1, :2], every[2, :3], every[3, 5] = True, True, True
    every[4, 26:], every[5, 25:] = True, True
    made = binary_codes.packed(every)
    distances, places = search.Lookups(made, bits=28, flips=2).nearest(made[:1], 6)
    pairs = zip(distances[0].tolist(), places[0].tolist(), strict=True)
    found = {at: near for near, at in pairs if at >= 0}
    assert found == {0: 0, 1: 2, 3: 1, 4: 2}


def test_without_faiss_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'faiss', None)
    with pytest.raises(ImportError, match=r'alexnet_tf\[retrieval\]'):
        search.faiss()
