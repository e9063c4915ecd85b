"""Weights in half the bytes: stored as such, and close to the network."""

import numpy as np
import pytest

from alexnet_tf.export import reduced_precision
from alexnet_tf.models import alexnet, recipes


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_reduced_weights_predict_nearly_as_the_network_does(dtype):
    model = alexnet.build(recipes.FIGURE1, num_classes=3, width=0.2)
    reduced = reduced_precision.ReducedWeights(model.variables, dtype)
    assert {variable.dtype.name for variable in reduced.variables} == {dtype}
    stored = sum(variable.shape.num_elements() for variable in reduced.variables)
    assert stored == model.count_params()
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32) * 60
    exact, logits = model(images).numpy(), reduced.as_function(model)(images).numpy()
    assert 0 < np.abs(logits - exact).max() < 0.02 * np.abs(exact).max()
