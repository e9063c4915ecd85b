"""How much a network computes, counted from its shapes."""

import math

import keras

from alexnet_tf.models.layers import locally_connected


def count_multiply_adds(model: keras.Model) -> dict[str, int]:
    """Of one image's forward pass, by layer as the model names them ('conv1_a')."""
    counted = {}
    for layer in model.layers:
        if hasattr(layer, 'kernel'):
            positions = math.prod(layer.output.shape[1:-1])
            # A locally connected layer's kernel has all positions' already.
            shared = not isinstance(layer, locally_connected.LocallyConnected2D)
            counted[layer.name] = (positions if shared else 1) * math.prod(layer.kernel.shape)
    return counted


def count_operations(model: keras.Model, *, training: bool) -> int:
    """Floating-point operations an image, convolutions and fully-connected layers only.

    A multiply-add is two. Training computes, beside the outputs, the gradients of weights and
    of inputs, but not of the image.
    """
    counted = count_multiply_adds(model)
    forward = sum(counted.values())
    if not training:
        return 2 * forward
    first = sum(number for name, number in counted.items() if name.startswith('conv1'))
    return 2 * (3 * forward - first)
