"""Weights of half the bytes: near the network, and kept as such."""

import numpy as np
import pytest

from alexnet_tf.export import reduced_precision
from alexnet_tf.models import cifar, recipes


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_they_answer_nearly_as_the_network_does(dtype):
    model = cifar.build(recipes.FIGURE1, num_classes=3, width=0.2)
    kept = reduced_precision.Weights(model.variables, dtype)
    assert {each.dtype.name for each in kept.variables} == {dtype}
    assert sum(each.shape.num_elements() for each in kept.variables) == model.count_params()
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32) * 60
    exact, found = model(images).numpy(), kept.of(model)(images).numpy()
    assert 0 < np.abs(found - exact).max() < 0.02 * np.abs(exact).max()
