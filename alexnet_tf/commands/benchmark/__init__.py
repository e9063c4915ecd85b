"""How fast this machine trains the network, or runs it, and where the time goes."""

import json
import statistics

import keras
import tensorflow as tf

from alexnet_tf.commands.benchmark import evaluation, input, serving, timing
from alexnet_tf.config import schema
from alexnet_tf.models import flops, placement
from alexnet_tf.models.layers import dropout
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from alexnet_tf.training import loss_scale, optimizer, steps

_GIGA = 1e9
_PRODUCTS = 5  # measured matrix products, before and after


def run(config: schema.Config) -> None:
    """Prints what `--benchmark` asks for, as a table or as one JSON object."""
    placement.provide(config.network.devices)
    tf.config.experimental.enable_tensor_float_32_execution(config.benchmark.tf32)
    kind = config.benchmark.benchmark
    if kind == 'input':
        result = input.stages(config)
        _show(config, result, input.table)
    elif kind == 'end_to_end':
        result = input.end_to_end(
            config, lambda classes, images_of: _step_of(config, _model(config, classes), images_of)
        )
        _show(config, result, input.end_to_end_table)
    elif kind == 'evaluate':
        result = evaluation.measured(config, lambda classes: _model(config, classes))
        _show(config, result, evaluation.table)
    elif kind == 'serving':
        _show(config, serving.measured(config), serving.table)
    else:
        _network(config, training=kind == 'train_step')


def _show(config, result, table) -> None:
    print(json.dumps(result) if config.predict.output == 'json' else table(result))


def _network(config, *, training: bool) -> None:
    """Images a second, share of the matrix product's rate, memory, and a table by layer."""
    numbers = runs.resolve_recipe(config)
    model = _model(config, config.benchmark.num_classes)
    shape = (numbers.batch_size, numbers.crop_size, numbers.crop_size, 3)
    images = tf.cast(tf.random.normal(shape, stddev=60.0), model.input.dtype)
    call = _train_step(config, model, images) if training else _inference(model, images)
    result = _measured(config, numbers, model, call, training)
    _show(config, result, _table)
    if config.benchmark.by_layer and config.predict.output != 'json':
        print('\n' + _layer_table(model, images.shape[0], training, config.benchmark.runs))


def _model(config, classes: int) -> keras.Model:
    numbers, devices = runs.resolve_recipe(config), config.network.devices
    return runs.build_model(config, numbers, classes, devices=devices, compiled=True)


def _measured(config, numbers, model, call, training) -> dict[str, object]:
    """The headline, the matrix product measured before and after for the machine may change."""
    dtype, devices = config.network.precision, config.network.devices or [placement.default()]
    number = min(config.benchmark.runs, _PRODUCTS)
    before = timing.matrix_product_rate(dtype, devices[0], number)
    taken = timing.seconds(call, config.benchmark.runs)
    peak = timing.peak_memory_bytes(devices)
    rate = statistics.mean([before, timing.matrix_product_rate(dtype, devices[0], number)])
    median = statistics.median(taken)
    operations = flops.operations(model, training=training)
    per_second = numbers.batch_size / median
    return {
        'benchmark': config.benchmark.benchmark,
        'recipe': numbers.name,
        'columns': numbers.columns,
        'precision': dtype,
        'devices': list(devices),
        'batch_size': numbers.batch_size,
        'images_per_sec': per_second,
        'images_per_sec_low': numbers.batch_size / max(taken),
        'images_per_sec_high': numbers.batch_size / min(taken),
        'runs': len(taken),
        'gflop_per_image': operations / _GIGA,
        'gflop_per_sec': per_second * operations / _GIGA,
        'matrix_product_gflop_per_sec': rate / _GIGA,
        'share_of_matrix_product': per_second * operations / rate,
        'peak_memory_bytes': peak,
    }


def _step_of(config, model: keras.Model, images_of=None):
    """A call that does one whole update with a batch."""
    numbers = runs.resolve_recipe(config)
    sgd = optimizer.PaperSGD(
        model.trainable_variables,
        momentum=numbers.momentum,
        decay=numbers.weight_decay,
        layer_decays=numbers.layer_decays(),
    )
    sgd.set_rate(1e-6)
    scale = loss_scale.LossScale() if config.network.precision == 'float16' else None
    step = steps.training_step(model, sgd, scale, images_of)
    return lambda *batch: step(*batch).metrics.numpy()


def _train_step(config, model: keras.Model, images):
    """One whole update with the same batch."""
    classes = config.benchmark.num_classes
    step = _step_of(config, model)
    labels = tf.range(images.shape[0], dtype=tf.int64) % classes
    mask = tf.ones(images.shape[0])
    return lambda: step(images, labels, mask)


def _inference(model: keras.Model, images):
    forward = tf.function(lambda: model(images, training=False), jit_compile=False)
    return lambda: forward().numpy()


def _table(result) -> str:
    spread = f'{result["images_per_sec_low"]:.1f} to {result["images_per_sec_high"]:.1f}'
    lines = [
        (result['benchmark'], f'recipe {result["recipe"]}, {result["columns"]} columns'),
        ('on', ', '.join(result['devices'])),
        ('precision, batch', f'{result["precision"]}, {result["batch_size"]}'),
        ('images/s', f'{result["images_per_sec"]:.1f} (median of {result["runs"]}; {spread})'),
        ('GFLOP/s', f'{result["gflop_per_sec"]:.0f} ({result["gflop_per_image"]:.2f} an image)'),
        ('matrix product, GFLOP/s', f'{result["matrix_product_gflop_per_sec"]:.0f}'),
        ('share of it', f'{result["share_of_matrix_product"]:.2f}'),
        ('peak memory', f'{result["peak_memory_bytes"] / 2**30:.2f} GiB'),
    ]
    width = max(len(name) for name, _ in lines)
    return '\n'.join(f'{name:<{width}}  {value}' for name, value in lines)


def _layer_table(model: keras.Model, batch_size: int, training: bool, number: int) -> str:
    """Each layer by itself, both columns added: in the whole step some are fused with others."""
    times: dict[str, list[float]] = {}
    counted = flops.multiply_adds(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        forward, backward = _layer_times(layer, batch_size, training, number)
        entry = times.setdefault(layer.name.split('_')[0], [0.0, 0.0, 0])
        entry[0] += forward
        entry[1] += backward
        entry[2] += 2 * batch_size * counted.get(layer.name, 0)
    rows = [
        (
            name,
            f'{1000 * forward:.1f}',
            f'{1000 * backward:.1f}' if training else '',
            f'{operations / forward / _GIGA:.0f}' if operations else '',
        )
        for name, (forward, backward, operations) in times.items()
    ]
    total = [f'{1000 * sum(each[at] for each in times.values()):.1f}' for at in (0, 1)]
    rows.append(('sum', total[0], total[1] if training else '', ''))
    return tables.text(('layer', 'forward, ms', 'backward, ms', 'forward, GFLOP/s'), rows)


def _layer_times(layer, batch_size: int, training: bool, number: int) -> tuple[float, float]:
    """Seconds of one layer's forward pass and of its gradients."""
    many = layer.input if isinstance(layer.input, list) else [layer.input]
    dtype = layer.compute_dtype
    given = [tf.cast(tf.random.normal((batch_size, *each.shape[1:])), dtype) for each in many]

    more = {'training': training} if isinstance(layer, dropout.Dropout) else {}

    def outputs():
        return layer(given if isinstance(layer.input, list) else given[0], **more)

    forward = tf.function(outputs)
    taken = statistics.median(timing.seconds(forward, number))
    if not training:
        return taken, 0.0
    sources = [each.value for each in layer.trainable_variables]
    if not layer.name.startswith('conv1'):  # the image needs no gradient
        sources += given

    @tf.function
    def both():
        y = outputs()
        found = tf.gradients(y, sources, grad_ys=tf.ones_like(y) * tf.cast(y > 0, y.dtype))
        return y, [each for each in found if each is not None]

    together = statistics.median(timing.seconds(both, number)) if sources else taken
    return taken, max(together - taken, 0.0)
