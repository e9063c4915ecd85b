"""Integers against Python's arithmetic; distributions against what they should be."""

import numpy as np
import tensorflow as tf

from input_pipeline.batches import random_bits


def mix(x):
    """SplitMix64's output function, with Python's unbounded integers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
    return x ^ (x >> 31)


def test_the_published_sequence():
    """For seed 1234567: the first numbers that the reference implementation prints."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state, outputs = 1234567, []
    for _ in expected:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        outputs.append(mix(state))
    assert outputs == expected
    uniform = random_bits.uniform(tf.constant([1234567], tf.uint64), 3).numpy()[0]
    np.testing.assert_array_equal(uniform, [(output >> 11) / 2**53 for output in expected])


def test_keys_depend_on_the_order_of_their_parts():
    vector = tf.range(5, dtype=tf.int64)
    keys = random_bits.make_keys(3, 7, vector).numpy()
    assert len(set(keys)) == 5
    for index in range(5):
        alone = random_bits.make_keys(3, 7, tf.constant([index], tf.int64)).numpy()
        assert alone == keys[index]
    assert not set(keys) & set(random_bits.make_keys(7, 3, vector).numpy())
    first = mix(0x9E3779B97F4A7C15 + 3)
    second = mix((first + 0x9E3779B97F4A7C15 + 7) % 2**64)
    assert random_bits.make_keys(3, 7).numpy() == second


def test_uniform_numbers_are_uniform_and_independent():
    keys = random_bits.make_keys(0, tf.range(200_000, dtype=tf.int64))
    uniform = random_bits.uniform(keys, 3).numpy()
    assert uniform.min() >= 0
    assert uniform.max() < 1
    for column in uniform.T:
        counts, _ = np.histogram(column, 50, (0, 1))
        chi_squared = ((counts - 4000) ** 2 / 4000).sum()
        assert 20 < chi_squared < 90  # 49 degrees of freedom
    correlations = np.corrcoef(np.vstack([uniform.T, np.roll(uniform.T, 1, axis=1)]))
    assert np.abs(correlations - np.eye(6)).max() < 0.01


def test_normal_numbers_are_normal():
    keys = random_bits.make_keys(1, tf.range(200_000, dtype=tf.int64))
    normal = random_bits.normal(keys, 3).numpy()
    assert np.abs(normal.mean(0)).max() < 0.01
    np.testing.assert_allclose(np.cov(normal.T), np.eye(3), atol=0.02)
    np.testing.assert_allclose((normal**4).mean(0), 3, atol=0.1)
    share = (np.abs(normal) > 1.959964).mean(0)
    np.testing.assert_allclose(share, 0.05, atol=0.003)


def test_traced_functions_return_the_same_numbers():
    keys = random_bits.make_keys(5, tf.range(100, dtype=tf.int64))
    for function in (random_bits.uniform, random_bits.normal):
        traced = tf.function(lambda keys, function=function: function(keys, 3))
        np.testing.assert_array_equal(traced(keys), function(keys, 3))
    traced = tf.function(lambda index: random_bits.make_keys(5, index))
    np.testing.assert_array_equal(traced(tf.range(100, dtype=tf.int64)), keys)
