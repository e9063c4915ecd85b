"""Similar vectors get similar codes, and a saved encoder gives the same codes."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.retrieval import binary_codes, index
from input_pipeline import errors


@pytest.fixture(scope='module')
def clusters():
    """Vectors in four clusters, and their cluster numbers."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 20)) * 3
    labels = np.arange(400) % 4
    rows = (centres[labels] + rng.normal(size=(400, 20))).astype(np.float32)
    return index.Vectors([rows[:150], rows[150:]]), labels


def mean_distances(codes, labels):
    """The mean Hamming distance within clusters, and between them."""
    bits = np.unpackbits(codes, axis=1, bitorder='little').astype(int)
    distances = (bits[:, None] != bits[None]).sum(-1)
    same = labels[:, None] == labels[None]
    return distances[same].mean(), distances[~same].mean()


def train(monkeypatch, vectors):
    monkeypatch.setattr(binary_codes, '_STEP_BOUNDS', (200, 200))
    monkeypatch.setattr(binary_codes, '_HIDDEN_UNITS', 32)
    coder = binary_codes.Autoencoder(20, 12, seed=0)
    coder.fit(vectors)
    return coder


def test_similar_vectors_have_similar_codes(monkeypatch, clusters):
    vectors, labels = clusters
    rows = vectors.take(range(400))
    for coder in (train(monkeypatch, vectors), binary_codes.RandomProjections(20, 12)):
        coder.fit(vectors)
        codes = coder.encode(rows)
        assert codes.shape == (400, 2)
        assert codes.dtype == np.uint8
        assert not (codes[:, 1] & 0xF0).any()  # padded with zeros
        within, between = mean_distances(codes, labels)
        assert within < 0.6 * between


def test_the_autoencoder_reconstructs_better_than_the_mean(monkeypatch, clusters):
    """The mean's squared error is 1, by the scale."""
    coder, rows = train(monkeypatch, clusters[0]), clusters[0].take(range(400))
    scaled = coder._scale(rows)
    assert np.mean((coder._autoencoder(scaled) - scaled) ** 2) < 0.5


def test_bits_are_rounded_and_have_the_gradient_of_the_sigmoid():
    probabilities = tf.constant([0.2, 0.7])
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        bits = binary_codes._round_straight_through(probabilities)
    np.testing.assert_array_equal(bits, [0.0, 1.0])
    np.testing.assert_array_equal(tape.gradient(bits, probabilities), [1.0, 1.0])


def test_a_saved_encoder_gives_the_same_codes_and_training_is_reproducible(
    monkeypatch, clusters, tmp_path
):
    vectors = clusters[0]
    coder = train(monkeypatch, vectors)
    rows = vectors.take(range(400))
    coder.save(tmp_path / 'encoder.npz')
    loaded = binary_codes.Autoencoder(20, 12, seed=0)
    loaded.load(tmp_path / 'encoder.npz')
    np.testing.assert_array_equal(loaded.encode(rows), coder.encode(rows))
    second = train(monkeypatch, vectors)
    assert (second.encode(rows) != coder.encode(rows)).mean() < 0.1


def test_a_damaged_or_different_encoder_is_refused(monkeypatch, clusters, tmp_path):
    coder = train(monkeypatch, clusters[0])
    path = tmp_path / 'encoder.npz'
    coder.save(path)
    with pytest.raises(errors.DataError, match='other shapes'):
        binary_codes.Autoencoder(20, 13, seed=0).load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(errors.DataError, match='is damaged'):
        coder.load(path)
