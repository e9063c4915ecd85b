"""Operations counted from the shapes of a network."""

import keras
import pytest

from alexnet_tf.models import alexnet, flops, recipes


def test_operations_of_the_whole_network_are_counted(monkeypatch):
    """724.4 million multiply-adds per image forward; no gradient of the image."""
    monkeypatch.setattr(keras.initializers, 'RandomNormal', lambda **_: 'zeros')  # faster
    model = alexnet.build(recipes.PAPER, num_classes=1000)
    assert flops.count_operations(model, training=False) == pytest.approx(2 * 724.4e6, rel=1e-4)
    conv1 = 55 * 55 * 96 * 11 * 11 * 3
    expected = 2 * (3 * 724.4e6 - conv1)
    assert flops.count_operations(model, training=True) == pytest.approx(expected, rel=1e-4)
