"""The update rule against a NumPy recurrence."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training import optimizer


@pytest.mark.parametrize(('momentum', 'decay'), [(0.9, 0.0005), (0.0, 0.1), (0.9, 0.0)])
def test_twenty_steps_across_a_rate_drop(momentum, decay):
    random = np.random.default_rng(0)
    dense = keras.layers.Dense(3)
    dense.build((None, 4))
    sgd = optimizer.PaperSGD(momentum=momentum, decay=decay, bias_rate_multiplier=2.0)
    sgd.build(dense.trainable_variables)
    weights = [each.numpy().astype(np.float64) for each in (dense.kernel, dense.bias)]
    velocities = [np.zeros_like(each) for each in weights]
    step = tf.function(lambda *g: sgd.apply(list(g), [dense.kernel, dense.bias]))
    for number in range(20):
        rate = 0.1 if number < 10 else 0.01
        sgd.learning_rate.assign(rate)
        gradients = [random.normal(size=each.shape) for each in weights]
        step(*(tf.constant(each, tf.float32) for each in gradients))
        for at, (multiplier, decayed) in enumerate([(1, decay), (2, 0)]):
            e = rate * multiplier
            velocities[at] = (
                momentum * velocities[at] - decayed * e * weights[at] - e * gradients[at]
            )
            weights[at] += velocities[at]
    np.testing.assert_allclose(dense.kernel.numpy(), weights[0], atol=2e-6)
    np.testing.assert_allclose(dense.bias.numpy(), weights[1], atol=2e-6)
