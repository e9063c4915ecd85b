"""Averages over the views of an image."""

import numpy as np
import tensorflow as tf

from alexnet_tf.models import outputs


def test_probabilities_are_averaged_and_not_logits():
    logits = np.random.default_rng(0).normal(0, 3, (6, 4)).astype(np.float32)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = [softmax[:3].mean(axis=0), softmax[3:].mean(axis=0)]
    average = outputs.average_probabilities(tf.constant(logits), views=3)
    np.testing.assert_allclose(average, expected, rtol=1e-5)


def test_probabilities_of_half_precision_logits_are_float32():
    average = outputs.average_probabilities(tf.zeros([2, 5], tf.bfloat16), views=2)
    assert average.dtype == tf.float32
    np.testing.assert_allclose(average, np.full((1, 5), 0.2), rtol=1e-6)
