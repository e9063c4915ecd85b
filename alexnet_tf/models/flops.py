"""Counts how much a network computes, from its shapes."""

import math

import keras

from alexnet_tf.models.layers import locally_connected


def count_multiply_adds(model: keras.Model) -> dict[str, int]:
    """Counts the multiply-adds of one image's forward pass, by layer ('conv1_a').

    Convolutions, locally connected and fully-connected layers count; nothing else does.
    """
    counts = {}
    for layer in model.layers:
        if hasattr(layer, 'kernel'):
            positions = math.prod(layer.output.shape[1:-1])
            # The kernel of a locally connected layer holds those of all positions already.
            shared = not isinstance(layer, locally_connected.LocallyConnected2D)
            counts[layer.name] = (positions if shared else 1) * math.prod(layer.kernel.shape)
    return counts


def count_operations(model: keras.Model, *, training: bool) -> int:
    """Counts the floating-point operations for one image; a multiply-add is two.

    Args:
        model: A functional model.
        training: Whether to count, beside the outputs, the gradients of the weights and of the
            inputs, though not of the image.
    """
    counts = count_multiply_adds(model)
    forward = sum(counts.values())
    if not training:
        return 2 * forward
    first = sum(count for name, count in counts.items() if name.startswith('conv1'))
    return 2 * (3 * forward - first)
