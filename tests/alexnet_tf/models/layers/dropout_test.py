"""Dropout as the paper's section 4.2 has it, and its masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import dropout

ONES = tf.ones((64, 1000))


def test_training_sets_half_to_zero_and_keeps_the_rest():
    y = dropout.Dropout(0.5)(ONES, training=True).numpy()
    assert set(np.unique(y)) == {0.0, 1.0}
    assert y.mean() == pytest.approx(0.5, abs=0.01)


def test_test_time_multiplies_all_by_the_kept_fraction():
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


def test_mask_rows_depend_on_step_and_row_only():
    layer, other = dropout.Dropout(0.5, seed=1), dropout.Dropout(0.5, seed=2)

    def drop(inputs, step, first_row, layer=layer):
        rows = dropout.MaskRows(step, first_row, batch_rows=64)
        return layer(inputs, training=True, dropout_rows=rows).numpy()

    whole = drop(ONES, 7, 0)
    np.testing.assert_array_equal(drop(ONES, 7, 0), whole)
    parts = [drop(ONES[:32], 7, 0), drop(ONES[:32], 7, 32)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.mean(drop(ONES, 8, 0) != whole) > 0.4
    assert np.mean(drop(ONES, 7, 0, other) != whole) > 0.4


def test_a_model_hands_mask_rows_to_its_layers():
    inputs = keras.Input([1000])
    layer = dropout.Dropout(0.5, seed=1)
    model = keras.Model(inputs, layer(keras.layers.Activation('relu')(inputs)))
    rows = dropout.MaskRows(step=3, first_row=0, batch_rows=64)
    outputs = model(ONES, training=True, dropout_rows=rows)
    np.testing.assert_array_equal(outputs, layer(ONES, training=True, dropout_rows=rows))
    np.testing.assert_array_equal(outputs, model(ONES, training=True, dropout_rows=rows))


def test_nothing_is_dropped_at_rate_zero():
    np.testing.assert_array_equal(dropout.Dropout(0.0)(ONES, training=True), ONES)


def test_the_state_has_the_layers_name():
    assert dropout.Dropout(0.5, name='drop6_a').variables[0].path.startswith('drop6_a')


def test_layers_without_a_seed_drop_other_units_and_keep_their_seed():
    keras.utils.set_random_seed(3)
    first, second = dropout.Dropout(0.5), dropout.Dropout(0.5)
    a, b = (layer(ONES, training=True).numpy() for layer in (first, second))
    assert (a != b).mean() == pytest.approx(0.5, abs=0.02)
    again = dropout.Dropout.from_config(first.get_config())
    np.testing.assert_array_equal(again(ONES, training=True), a)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(dropout.Dropout(0.5)(ONES, training=True), a)


@pytest.mark.parametrize('rate', [-0.1, 1.0])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=r'expected a number in \[0, 1\)'):
        dropout.Dropout(rate)
