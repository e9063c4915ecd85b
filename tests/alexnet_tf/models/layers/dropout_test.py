"""Dropout against the paper's section 4.2."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import dropout

ONES = tf.ones((64, 1000))


def test_training_sets_half_to_zero_and_leaves_the_rest():
    y = dropout.Dropout(0.5)(ONES, training=True).numpy()
    assert set(np.unique(y)) == {0.0, 1.0}
    assert y.mean() == pytest.approx(0.5, abs=0.01)


def test_at_test_all_are_multiplied_by_what_is_kept():
    np.testing.assert_array_equal(dropout.Dropout(0.5)(ONES), 0.5 * ONES)
    np.testing.assert_allclose(dropout.Dropout(0.2)(ONES), 0.8 * ONES)


def test_the_inverted_kind_scales_in_training():
    layer = dropout.Dropout(0.2, inverted=True)
    y = layer(ONES, training=True).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 1.25])
    np.testing.assert_array_equal(layer(ONES), ONES)


def test_masks_differ_by_call_and_seed_and_repeat_with_the_state():
    layer = dropout.Dropout(0.5, seed=1)
    first, second = layer(ONES, training=True), layer(ONES, training=True)
    other = dropout.Dropout(0.5, seed=2)(ONES, training=True)
    again = dropout.Dropout(0.5, seed=1)(ONES, training=True)
    assert np.mean(first.numpy() != second.numpy()) > 0.4
    assert np.mean(first.numpy() != other.numpy()) > 0.4
    np.testing.assert_array_equal(first, again)


def test_nothing_is_dropped_at_rate_zero():
    np.testing.assert_array_equal(dropout.Dropout(0.0)(ONES, training=True), ONES)


def test_the_state_bears_the_layers_name():
    assert dropout.Dropout(0.5, name='drop6_a').variables[0].path.startswith('drop6_a')
