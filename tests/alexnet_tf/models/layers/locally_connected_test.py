"""Unshared kernels against nested loops, and their gradient against differences."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import locally_connected

RANDOM = np.random.default_rng(0)


def convolve_by_loops(x, kernel, bias, size):
    """Convolves in plain loops and float64."""
    batch, rows, columns, channels = x.shape
    y = np.zeros((batch, rows, columns, bias.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            weights = kernel[row, column].reshape(size, size, channels, -1)
            y[:, row, column] = bias[row, column]
            for down in range(size):
                for right in range(size):
                    r, c = row + down - size // 2, column + right - size // 2
                    if 0 <= r < rows and 0 <= c < columns:
                        y[:, row, column] += x[:, r, c] @ weights[down, right]
    return y


def create_layer(size, shape=(2, 4, 5, 3), filters=2, dtype='float64'):
    x = RANDOM.normal(size=shape)
    layer = locally_connected.LocallyConnected2D(filters, size, dtype=dtype)
    layer.build(shape)
    layer.bias.assign(RANDOM.normal(size=layer.bias.shape))
    return layer, x


@pytest.mark.parametrize('size', [1, 3, 5])
def test_outputs_equal_loops(size):
    layer, x = create_layer(size)
    expected = convolve_by_loops(x, layer.kernel.numpy(), layer.bias.numpy(), size)
    np.testing.assert_allclose(layer(x), expected, atol=1e-12)


@pytest.mark.parametrize('size', [1, 3, 5])
def test_gradients_equal_differences(size):
    layer, x = create_layer(size)
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    weights = RANDOM.normal(size=(2, 4, 5, 2))

    @tf.function
    def gradients(x):
        variables = [x, layer.kernel.value, layer.bias.value]
        return tf.gradients(tf.reduce_sum(layer(x) * weights), variables)

    actual = gradients(tf.constant(x))
    for i, values in enumerate((x, kernel, bias)):
        for index in map(tuple, RANDOM.integers(0, values.shape, (12, values.ndim))):
            sums = []
            for step in (1e-3, -1e-3):  # it is linear in each: any step does
                arguments = [x, kernel, bias]
                arguments[i] = values.copy()
                arguments[i][index] += step
                sums.append((convolve_by_loops(*arguments, size) * weights).sum())
            difference = (sums[0] - sums[1]) / 2e-3
            np.testing.assert_allclose(actual[i][index], difference, atol=1e-8)


def test_positions_share_no_weights():
    layer, _ = create_layer(3, shape=(1, 6, 6, 64), filters=32, dtype='float32')
    assert layer.count_params() == 36 * (9 * 64 * 32 + 32)


def test_an_even_kernel_size_is_refused():
    with pytest.raises(ValueError, match='kernel_size=4: expected an odd number'):
        locally_connected.LocallyConnected2D(2, 4)
