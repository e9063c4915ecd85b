"""Whole numbers against NumPy's arithmetic; distributions against what they should be."""

import numpy as np
import tensorflow as tf

from input_pipeline.batches import random_bits


def mixed(x):
    """SplitMix64's output function, with Python's unbounded numbers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return x ^ (x >> 31)


def test_the_published_sequence():
    """Of seed 1234567: the first numbers that the reference implementation prints."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state, found = 1234567, []
    for _ in expected:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        found.append(mixed(state))
    assert found == expected
    drawn = random_bits.uniform(tf.constant([1234567], tf.uint64), 3).numpy()[0]
    np.testing.assert_array_equal(drawn, [(each >> 11) / 2**53 for each in expected])


def test_keys_know_the_order_of_their_parts():
    vector = tf.range(5, dtype=tf.int64)
    key = random_bits.keys(3, 7, vector).numpy()
    assert len(set(key)) == 5
    for at in range(5):
        assert random_bits.keys(3, 7, tf.constant([at], tf.int64)).numpy() == key[at]
    assert not set(key) & set(random_bits.keys(7, 3, vector).numpy())
    one = mixed(0x9E3779B97F4A7C15 + 3)
    two = mixed((one + 0x9E3779B97F4A7C15 + 7) % 2**64)
    assert random_bits.keys(3, 7).numpy() == two


def test_uniform_numbers_are_uniform_and_independent():
    drawn = random_bits.uniform(random_bits.keys(0, tf.range(200_000, dtype=tf.int64)), 3).numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in drawn.T:
        counts, _ = np.histogram(column, 50, (0, 1))
        chi_squared = ((counts - 4000) ** 2 / 4000).sum()
        assert 20 < chi_squared < 90  # 49 degrees of freedom
    correlations = np.corrcoef(np.vstack([drawn.T, np.roll(drawn.T, 1, axis=1)]))
    assert np.abs(correlations - np.eye(6)).max() < 0.01


def test_normal_numbers_are_normal():
    drawn = random_bits.normal(random_bits.keys(1, tf.range(200_000, dtype=tf.int64)), 3).numpy()
    assert np.abs(drawn.mean(0)).max() < 0.01
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.02)
    np.testing.assert_allclose((drawn**4).mean(0), 3, atol=0.1)
    share = (np.abs(drawn) > 1.959964).mean(0)
    np.testing.assert_allclose(share, 0.05, atol=0.003)


def test_traced_functions_draw_the_same():
    key = random_bits.keys(5, tf.range(100, dtype=tf.int64))
    for draw in (random_bits.uniform, random_bits.normal):
        traced = tf.function(lambda key, draw=draw: draw(key, 3))
        np.testing.assert_array_equal(traced(key), draw(key, 3))
    traced = tf.function(lambda at: random_bits.keys(5, at))
    np.testing.assert_array_equal(traced(tf.range(100, dtype=tf.int64)), key)
