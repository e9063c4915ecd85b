"""Measures each layer by itself; in the whole network, some are fused with others."""

import statistics
from typing import NamedTuple

import keras
import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.models import flops
from alexnet_tf.models.layers import dropout
from alexnet_tf.reports import tables


class LayerTime(NamedTuple):
    """The time of a layer, or of the layers of that name in both columns.

    Attributes:
        forward: Seconds of the forward pass.
        backward: Seconds of the gradients; None if they were not measured.
        operations: Floating-point operations of the forward pass.
    """

    forward: float
    backward: float | None
    operations: int


def measure(
    model: keras.Model, batch_size: int, *, training: bool, runs: int
) -> dict[str, LayerTime]:
    """Measures the layers of a network in its order, by name without the column.

    Args:
        model: The network.
        batch_size: Images in a batch.
        training: Whether to measure gradients, too.
        runs: Measurements of each layer; the medians count.
    """
    times: dict[str, LayerTime] = {}
    multiply_adds = flops.count_multiply_adds(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        forward, backward = _measure_layer(layer, batch_size, training, runs)
        name = layer.name.split('_')[0]
        other = times.get(name, LayerTime(0.0, 0.0 if training else None, 0))
        times[name] = LayerTime(
            other.forward + forward,
            other.backward + backward if training else None,
            other.operations + 2 * batch_size * multiply_adds.get(layer.name, 0),
        )
    return times


def format_table(times: dict[str, LayerTime]) -> str:
    """Formats a row for each layer, and their sum."""
    forward = sum(time.forward for time in times.values())
    is_training = None not in (backwards := [time.backward for time in times.values()])
    total = LayerTime(forward, sum(backwards) if is_training else None, 0)
    rows = [
        (
            name,
            f'{1000 * time.forward:.1f}',
            '' if time.backward is None else f'{1000 * time.backward:.1f}',
            f'{time.operations / time.forward / 1e9:.0f}' if time.operations else '',
        )
        for name, time in (*times.items(), ('sum', total))
    ]
    return tables.format_table(('layer', 'forward, ms', 'backward, ms', 'forward, GFLOP/s'), rows)


def _measure_layer(layer, batch_size: int, training: bool, runs: int) -> tuple[float, float]:
    """Measures seconds of a layer's forward pass and of its gradients; 0.0 without training."""
    inputs = [
        tf.cast(tf.random.normal((batch_size, *tensor.shape[1:])), layer.compute_dtype)
        for tensor in tf.nest.flatten(layer.input)
    ]
    mode = {'training': training} if isinstance(layer, dropout.Dropout) else {}

    def run():
        return layer(inputs if isinstance(layer.input, list) else inputs[0], **mode)

    forward = statistics.median(timing.measure_calls(tf.function(run), runs))
    sources = [variable.value for variable in layer.trainable_variables]
    if not layer.name.startswith('conv1'):  # the image needs no gradient
        sources += inputs
    if not training or not sources:
        return forward, 0.0

    @tf.function
    def run_with_gradients():
        y = run()
        gradients = tf.gradients(y, sources, grad_ys=tf.ones_like(y) * tf.cast(y > 0, y.dtype))
        return y, [gradient for gradient in gradients if gradient is not None]

    both = statistics.median(timing.measure_calls(run_with_gradients, runs))
    return forward, max(both - forward, 0.0)
