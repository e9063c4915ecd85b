"""Networks for inference: the same outputs, weights as they are read fastest."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, inference, recipes
from alexnet_tf.models.layers import on_device

# One layer of each kind that is replaced, with the padding before conv1 and before a pooling.
PADDED = recipes.PAPER.replace(pool_rounding='ceil')


@pytest.fixture(scope='module', params=['float32', 'bfloat16'])
def model(request):
    """A network whose biases are not all the same."""
    model = alexnet.build(
        PADDED.replace(crop_size=103), num_classes=3, width=0.05, precision=request.param
    )
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith('bias'):
            weight.assign(random.normal(size=weight.shape))
    return model


def sample(batch):
    return tf.constant(np.random.default_rng(1).normal(0, 50, (batch, 103, 103, 3)), tf.float32)


@pytest.mark.parametrize('batch', [1, 3])
def test_the_outputs_are_those_of_the_network(model, batch):
    expected = model(sample(batch)).numpy()
    tolerance = 1e-5 if model.get_layer('fc6_a').compute_dtype == 'float32' else 1e-2
    logits = inference.build(model)(sample(batch)).numpy()
    np.testing.assert_allclose(logits, expected, atol=tolerance * np.abs(expected).max())


def test_only_paddings_that_no_other_layer_reads_are_folded(model):
    clone = inference.build(model)
    kinds = {layer.name: type(layer) for layer in clone.layers}
    assert kinds['conv1_pad_a'] is keras.layers.Identity
    assert on_device.ZeroPadding2D in kinds.values()  # before a pooling layer


def test_weights_are_kept_in_the_dtype_that_their_layers_compute_in(model):
    dense = inference.build(model).get_layer('fc6_b')
    original = model.get_layer('fc6_b')
    assert {weight.dtype for weight in dense.weights} == {original.compute_dtype}
    kernel = tf.cast(original.kernel, original.compute_dtype).numpy()
    np.testing.assert_array_equal(dense.weights[0].numpy(), kernel.T)


def test_an_inference_network_keeps_the_weights_that_it_was_built_with(model):
    clone, before = inference.build(model), model.get_weights()
    logits = clone(sample(1)).numpy()
    model.set_weights([np.zeros_like(weight) for weight in before])
    np.testing.assert_array_equal(clone(sample(1)), logits)
    model.set_weights(before)


def test_small_networks_and_layers_without_bias_are_taken():
    recipe = recipes.FIGURE1.replace(batch_norm=True)
    model = alexnet.build(recipe, num_classes=3, width=0.2)
    images = np.random.default_rng(0).normal(0, 60, (2, 32, 32, 3)).astype(np.float32)
    expected = model(images, training=False).numpy()
    np.testing.assert_allclose(inference.build(model)(images), expected, rtol=1e-4, atol=1e-5)
