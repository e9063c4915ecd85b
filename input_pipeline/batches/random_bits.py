"""Random numbers as a function of a key: any of them in any order, a whole vector at a time.

TensorFlow's stateless generators take one seed a call; a call for every picture costs more than
its augmentation. Here keys are a vector, and numbers come from SplitMix64 (Steele, Lea and Flood,
2014): a counter, multiplied and folded, which passes the usual test batteries. Whole-number
arithmetic, so the same on any machine.
"""

import math

import numpy as np
import tensorflow as tf

_STEP = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def keys(*parts: int | tf.Tensor) -> tf.Tensor:
    """One key, uint64, of several whole numbers, in their order; scalars and vectors broadcast."""
    key = tf.constant(0, tf.uint64)
    for part in parts:
        key = _mixed(key + tf.cast(part, tf.uint64) + tf.constant(_STEP, tf.uint64))
    return key


def uniform(key: tf.Tensor, number: int) -> tf.Tensor:
    """(n, number) float64 in [0, 1) of (n,) keys."""
    # An array: of a list of such numbers, a traced function makes others.
    counters = np.array([_STEP * (at + 1) % 2**64 for at in range(number)], np.uint64)
    words = _mixed(key[:, None] + counters)
    return tf.cast(tf.bitwise.right_shift(words, tf.constant(11, tf.uint64)), tf.float64) / 2.0**53


def normal(key: tf.Tensor, number: int) -> tf.Tensor:
    """(n, number) float32 from the standard normal distribution, of (n,) keys (Box-Muller)."""
    pairs = -(-number // 2)
    drawn = uniform(key, 2 * pairs)
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - drawn[:, :pairs]))
    angle = 2.0 * math.pi * drawn[:, pairs:]
    both = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], 1)
    return tf.cast(both[:, :number], tf.float32)


def _mixed(x: tf.Tensor) -> tf.Tensor:
    for shift, factor in _ROUNDS:
        x = _folded(x, shift) * tf.constant(factor, tf.uint64)
    return _folded(x, 31)


def _folded(x: tf.Tensor, shift: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(shift, tf.uint64)))
