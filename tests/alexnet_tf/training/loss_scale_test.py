"""The loss scale of float16."""

import numpy as np
import tensorflow as tf

from alexnet_tf.training import loss_scale


def test_the_scale_halves_at_an_overflow_and_doubles_after_many_finite_steps():
    scale = loss_scale.LossScale()

    def state():
        return scale.scale.numpy(), scale.good_steps.numpy()

    scale.adapt(tf.constant(False), tf.constant([np.inf]))
    assert state() == (loss_scale.INITIAL_SCALE / 2, 0)
    scale.good_steps.assign(loss_scale.GROWTH_STEPS - 2)
    scale.adapt(tf.constant(True), tf.constant([1.0]))
    assert state() == (loss_scale.INITIAL_SCALE / 2, loss_scale.GROWTH_STEPS - 1)
    scale.adapt(tf.constant(True), tf.constant([1.0]))
    assert state() == (loss_scale.INITIAL_SCALE, 0)
    scale.scale.assign(1.0)
    scale.adapt(tf.constant(False), tf.constant([np.nan]))
    assert state() == (1.0, 0)


def test_gradients_and_their_squares_are_unscaled():
    scale = loss_scale.LossScale()
    variable = tf.Variable([1.0, 2.0])
    (divided,) = scale.divide([tf.constant([loss_scale.INITIAL_SCALE, 0.0])], [variable])
    np.testing.assert_array_equal(divided, [1, 0])
    squares = scale.adapt(tf.constant(True), tf.constant([3 * loss_scale.INITIAL_SCALE**2]))
    np.testing.assert_array_equal(squares, [3])
