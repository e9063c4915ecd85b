"""Random numbers as a function of a key: any of them in any order, a vector at a time.

TensorFlow's stateless generators take one seed per call, and a call for every image costs more than
its augmentation. Here keys are a vector, and random numbers come from SplitMix64 (Steele, Lea and
Flood, 2014): a counter, multiplied and folded, which passes the usual test batteries. Integer
arithmetic gives the same bits on any machine.
"""

import math

import numpy as np
import tensorflow as tf

_STEP = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def make_keys(*parts: int | tf.Tensor) -> tf.Tensor:
    """Hashes integers, in their order, to uint64 keys; scalars and vectors broadcast.

    >>> make_keys(0, 1, tf.range(2)).numpy().tolist()
    [10705738211186751225, 12401259842959014280]
    """
    key = tf.constant(0, tf.uint64)
    for part in parts:
        key = _mix(key + tf.cast(part, tf.uint64) + tf.constant(_STEP, tf.uint64))
    return key


def uniform(keys: tf.Tensor, number: int) -> tf.Tensor:
    """Returns (n, number) float64 in [0, 1), uniformly distributed, for (n,) keys."""
    # An array, since a traced function changes such large integers if they are in a list.
    counters = np.array([_STEP * (index + 1) % 2**64 for index in range(number)], np.uint64)
    words = _mix(keys[:, None] + counters)
    return tf.cast(tf.bitwise.right_shift(words, tf.constant(11, tf.uint64)), tf.float64) / 2.0**53


def normal(keys: tf.Tensor, number: int) -> tf.Tensor:
    """Returns (n, number) float32, standard normal (Box-Muller), for (n,) keys."""
    pairs = -(-number // 2)
    samples = uniform(keys, 2 * pairs)
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - samples[:, :pairs]))
    angle = 2.0 * math.pi * samples[:, pairs:]
    both = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], 1)
    return tf.cast(both[:, :number], tf.float32)


def permute(size: tf.Tensor, *parts: int | tf.Tensor) -> tf.Tensor:
    """Returns a permutation of range(size), (size,) int64, for the hash of some integers."""
    # Hashed: for consecutive keys, TensorFlow makes permutations that resemble each other.
    key = make_keys(*parts, tf.range(2))
    some = tf.maximum(size, 1)  # none cannot be shuffled
    return tf.random.experimental.index_shuffle(tf.range(some), key, some - 1)[:size]


def _mix(x: tf.Tensor) -> tf.Tensor:
    for shift, factor in _ROUNDS:
        x = _fold(x, shift) * tf.constant(factor, tf.uint64)
    return _fold(x, 31)


def _fold(x: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint64)))
