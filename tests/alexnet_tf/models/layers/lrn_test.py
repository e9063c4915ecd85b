"""Normalisation against nested loops of the paper's formula."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import lrn

NUMBERS = {'k': 2.0, 'n': 5, 'alpha': 1e-2, 'beta': 0.75}


def by_loops(x, *, k, n, alpha, beta):
    y = np.zeros_like(x)
    maps = x.shape[-1]
    for at in np.ndindex(x.shape):
        near = range(max(0, at[-1] - n // 2), min(maps - 1, at[-1] + n // 2) + 1)
        y[at] = x[at] / (k + alpha * sum(x[(*at[:-1], j)] ** 2 for j in near)) ** beta
    return y


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(0, 10, (2, 3, 4, 7)).astype(np.float64)


def test_equals_the_formula(x):
    for numbers in (NUMBERS, NUMBERS | {'n': 3, 'beta': 0.5, 'k': 1.0}):
        made = lrn.LocalResponseNormalization(**numbers)(x.astype(np.float32))
        np.testing.assert_allclose(made, by_loops(x, **numbers), rtol=1e-5)


@pytest.mark.parametrize(('dtype', 'tolerance'), [('bfloat16', 2e-2), ('float16', 3e-3)])
def test_half_precision(x, dtype, tolerance):
    layer = lrn.LocalResponseNormalization(**NUMBERS, dtype=dtype)
    made = layer(tf.cast(x, dtype))
    assert made.dtype == dtype
    np.testing.assert_allclose(tf.cast(made, tf.float64), by_loops(x, **NUMBERS), rtol=tolerance)


def test_gradient_equals_differences(x):
    """Central differences of the loops, along random directions."""
    layer = lrn.LocalResponseNormalization(**NUMBERS)
    random = np.random.default_rng(1)
    weights = random.normal(size=x.shape)
    source = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(source)
        value = tf.reduce_sum(layer(source) * weights.astype(np.float32))
    gradient = tape.gradient(value, source).numpy()
    for _ in range(3):
        direction = random.normal(size=x.shape)
        ends = [by_loops(x + sign * 1e-4 * direction, **NUMBERS) for sign in (1, -1)]
        slope = ((ends[0] - ends[1]) * weights).sum() / 2e-4
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4)


def test_same_map_equals_loops(x):
    made = lrn.SameMapNormalization(alpha=1e-2)(x.astype(np.float32)).numpy()
    for batch, row, column, kernel in np.ndindex(x.shape):
        window = x[batch, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3, kernel]
        value = x[batch, row, column, kernel] / (1 + 1e-2 * (window**2).sum()) ** 0.75
        assert made[batch, row, column, kernel] == pytest.approx(value, rel=1e-4)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match='n=4'):
        lrn.LocalResponseNormalization(k=2, n=4, alpha=1, beta=1)


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
@pytest.mark.parametrize('compiled', [False, True], ids=['graph', 'XLA'])
def test_value_and_gradient_in_every_precision(x, dtype, compiled):
    """Pixels as large as conv1's, whose squares float16 cannot hold, against float64."""
    large = 40 * x  # up to about 1,300
    numbers = NUMBERS | {'alpha': 1e-4}
    layer = lrn.LocalResponseNormalization(**numbers, dtype=dtype)
    random = np.random.default_rng(1)
    weights = random.normal(size=x.shape)

    @tf.function(jit_compile=compiled)
    def both(values):
        y = layer(values)
        return y, tf.gradients(tf.reduce_sum(tf.cast(y, tf.float32) * weights), values)[0]

    rounded = tf.cast(large, dtype)
    y, gradient = both(rounded)
    assert y.dtype == gradient.dtype == dtype
    exact = tf.cast(rounded, tf.float64).numpy()
    tolerance = {'float32': 1e-5, 'float16': 4e-3, 'bfloat16': 3e-2}[dtype]
    np.testing.assert_allclose(tf.cast(y, tf.float64), by_loops(exact, **numbers), rtol=tolerance)
    # A slope is a sum in which the directions cancel: measured against its terms.
    direction = random.normal(size=x.shape)
    ends = [by_loops(exact + sign * 1e-3 * direction, **numbers) for sign in (1, -1)]
    slopes = (ends[0] - ends[1]) / 2e-3 * weights
    made = (tf.cast(gradient, tf.float64).numpy() * direction).sum()
    assert made == pytest.approx(slopes.sum(), abs=tolerance * np.abs(slopes).sum())


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
def test_compiled_is_the_same(x, dtype):
    given = tf.cast(x, dtype)
    dy = tf.cast(np.random.default_rng(1).normal(size=x.shape), dtype)
    found = []
    for compiled in (False, True):
        made = lrn.LocalResponseNormalization(**NUMBERS, compiled=compiled, dtype=dtype)

        @tf.function
        def both(values, made=made):
            y = made(values)
            return y, tf.gradients(y, values, grad_ys=dy)[0]

        found.append([tf.cast(each, tf.float32).numpy() for each in both(given)])
    tolerance = {'float32': 1e-5, 'float16': 5e-3, 'bfloat16': 4e-2}[dtype]
    for plain, fused in zip(*found, strict=True):
        np.testing.assert_allclose(
            fused, plain, rtol=tolerance, atol=tolerance * np.abs(plain).max()
        )
