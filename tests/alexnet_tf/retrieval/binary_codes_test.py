"""Codes: alike for what is alike, the same after reading them back."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.retrieval import binary_codes, index
from input_pipeline import errors


@pytest.fixture(scope='module')
def groups():
    """Four groups of vectors, each about its own centre."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(4, 20)) * 3
    labels = np.arange(400) % 4
    made = (centres[labels] + random.normal(size=(400, 20))).astype(np.float32)
    return index.Vectors([made[:150], made[150:]]), labels


def within_and_between(coded, labels):
    bits = np.unpackbits(coded, axis=1, bitorder='little').astype(int)
    apart = (bits[:, None] != bits[None]).sum(-1)
    same = labels[:, None] == labels[None]
    return apart[same].mean(), apart[~same].mean()


def learned(monkeypatch, groups, seed=0):
    monkeypatch.setattr(binary_codes, '_STEPS', (200, 200))
    monkeypatch.setattr(binary_codes, '_HIDDEN', 32)
    coder = binary_codes.Autoencoder(20, 12, seed)
    return coder, coder.learn(groups[0])


def test_the_like_have_like_codes(monkeypatch, groups):
    vectors, labels = groups
    every = vectors.rows(range(400))
    for coder in (learned(monkeypatch, groups)[0], binary_codes.Projections(20, 12)):
        coder.learn(vectors)
        coded = coder.encode(every)
        assert coded.shape == (400, 2)
        assert coded.dtype == np.uint8
        assert not (coded[:, 1] & 0xF0).any()  # filled up with zeros
        within, between = within_and_between(coded, labels)
        assert within < 0.6 * between


def test_it_learns_to_repeat(monkeypatch, groups):
    """Better than the mean of all, whose error is 1 by the scale."""
    loss = learned(monkeypatch, groups)[1]
    assert loss < 0.5


def test_bits_are_rounded_and_gradients_pass_as_if_they_were_not():
    shares = tf.constant([0.2, 0.7])
    with tf.GradientTape() as tape:
        tape.watch(shares)
        bits = binary_codes._rounded(shares)
    np.testing.assert_array_equal(bits, [0.0, 1.0])
    np.testing.assert_array_equal(tape.gradient(bits, shares), [1.0, 1.0])


def test_it_is_read_back_as_it_was_and_learns_the_same_again(monkeypatch, groups, tmp_path):
    coder, loss = learned(monkeypatch, groups)
    every = groups[0].rows(range(400))
    coder.save(tmp_path / 'encoder.npz')
    again = binary_codes.Autoencoder(20, 12, 0)
    again.load(tmp_path / 'encoder.npz')
    np.testing.assert_array_equal(again.encode(every), coder.encode(every))
    twice, second = learned(monkeypatch, groups)
    assert second == pytest.approx(loss, rel=1e-3)
    assert (twice.encode(every) != coder.encode(every)).mean() < 0.1


def test_damage_is_said(monkeypatch, groups, tmp_path):
    coder, _ = learned(monkeypatch, groups)
    path = tmp_path / 'encoder.npz'
    coder.save(path)
    with pytest.raises(errors.DataError, match='other shapes'):
        binary_codes.Autoencoder(20, 13, 0).load(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(errors.DataError, match='is damaged'):
        coder.load(path)
