"""The normalisations against nested loops over their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models.layers import lrn

CONSTANTS = {'k': 2.0, 'n': 5, 'alpha': 1e-2, 'beta': 0.75}


def normalise_by_loops(x, *, k, n, alpha, beta):
    y = np.zeros_like(x)
    maps = x.shape[-1]
    for index in np.ndindex(x.shape):
        *position, i = index
        near = range(max(0, i - n // 2), min(maps - 1, i + n // 2) + 1)
        y[index] = x[index] / (k + alpha * sum(x[(*position, j)] ** 2 for j in near)) ** beta
    return y


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(0, 10, (2, 3, 4, 7)).astype(np.float64)


def test_outputs_equal_the_formula(x):
    for constants in (CONSTANTS, CONSTANTS | {'n': 3, 'beta': 0.5, 'k': 1.0}):
        y = lrn.LocalResponseNormalization(**constants)(x.astype(np.float32))
        np.testing.assert_allclose(y, normalise_by_loops(x, **constants), rtol=1e-5)


def test_the_defaults_are_the_papers_constants(x):
    y = lrn.LocalResponseNormalization()(x.astype(np.float32))
    paper = {'k': 2.0, 'n': 5, 'alpha': 1e-4, 'beta': 0.75}
    np.testing.assert_allclose(y, normalise_by_loops(x, **paper), rtol=1e-5)


@pytest.mark.parametrize(('dtype', 'tolerance'), [('bfloat16', 2e-2), ('float16', 3e-3)])
def test_half_precision_equals_the_formula(x, dtype, tolerance):
    layer = lrn.LocalResponseNormalization(**CONSTANTS, dtype=dtype)
    y = layer(tf.cast(x, dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(y, tf.float64), normalise_by_loops(x, **CONSTANTS), rtol=tolerance
    )


def test_the_gradient_equals_differences(x):
    """Compares with central differences of the loops, along random directions."""
    layer = lrn.LocalResponseNormalization(**CONSTANTS)
    random = np.random.default_rng(1)
    weights = random.normal(size=x.shape)
    source = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(source)
        value = tf.reduce_sum(layer(source) * weights.astype(np.float32))
    gradient = tape.gradient(value, source).numpy()
    for _ in range(3):
        direction = random.normal(size=x.shape)
        ends = [normalise_by_loops(x + sign * 1e-4 * direction, **CONSTANTS) for sign in (1, -1)]
        slope = ((ends[0] - ends[1]) * weights).sum() / 2e-4
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4)


def test_same_map_normalisation_equals_loops(x):
    y = lrn.SameMapNormalization(alpha=1e-2)(x.astype(np.float32)).numpy()
    for batch, row, column, kernel in np.ndindex(x.shape):
        window = x[batch, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3, kernel]
        value = x[batch, row, column, kernel] / (1 + 1e-2 * (window**2).sum()) ** 0.75
        assert y[batch, row, column, kernel] == pytest.approx(value, rel=1e-4)


def test_an_even_window_is_refused():
    with pytest.raises(ValueError, match='n=4'):
        lrn.LocalResponseNormalization(k=2, n=4, alpha=1, beta=1)


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
@pytest.mark.parametrize('compiled', [False, True], ids=['graph', 'XLA'])
def test_value_and_gradient_are_right_in_every_precision(x, dtype, compiled):
    """Compares inputs as large as conv1's, whose squares float16 cannot hold, with float64."""
    large = 40 * x  # up to about 1,300
    constants = CONSTANTS | {'alpha': 1e-4}
    layer = lrn.LocalResponseNormalization(**constants, dtype=dtype)
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
    np.testing.assert_allclose(
        tf.cast(y, tf.float64), normalise_by_loops(exact, **constants), rtol=tolerance
    )
    # A slope is a sum in which the directions cancel: measured against its terms.
    direction = random.normal(size=x.shape)
    ends = [normalise_by_loops(exact + sign * 1e-3 * direction, **constants) for sign in (1, -1)]
    slopes = (ends[0] - ends[1]) / 2e-3 * weights
    slope = (tf.cast(gradient, tf.float64).numpy() * direction).sum()
    assert slope == pytest.approx(slopes.sum(), abs=tolerance * np.abs(slopes).sum())


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
def test_compiled_equals_not_compiled(x, dtype):
    inputs = tf.cast(x, dtype)
    dy = tf.cast(np.random.default_rng(1).normal(size=x.shape), dtype)
    results = []
    for compiled in (False, True):
        layer = lrn.LocalResponseNormalization(**CONSTANTS, compiled=compiled, dtype=dtype)

        @tf.function
        def both(values, layer=layer):
            y = layer(values)
            return y, tf.gradients(y, values, grad_ys=dy)[0]

        results.append([tf.cast(tensor, tf.float32).numpy() for tensor in both(inputs)])
    tolerance = {'float32': 1e-5, 'float16': 5e-3, 'bfloat16': 4e-2}[dtype]
    for plain, fused in zip(*results, strict=True):
        np.testing.assert_allclose(
            fused, plain, rtol=tolerance, atol=tolerance * np.abs(plain).max()
        )
