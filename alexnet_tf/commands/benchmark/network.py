"""Measures training steps and inference, as a whole and by layer, and the scoring of a split."""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.config import schema
from alexnet_tf.models import flops, outputs, placement, recipes
from alexnet_tf.models.layers import batch_normalization, dropout
from alexnet_tf.reports import tables
from alexnet_tf.runs import build, selection, training_data
from alexnet_tf.training import evaluator
from input_pipeline.records import manifests

_GIGA = 1e9
_MATMUL_RUNS = 5  # at most
_LEARNING_RATE = 1e-6  # so small that losses stay finite on random images
_PIXEL_SD = 60.0  # standard deviation of an image's pixels
_BARE, _SINGLE_CROP, _TEN_CROP = 'bare inference', 'one view', 'ten views'
_BARE_BATCHES = 8


def measure(config: schema.Config) -> dict[str, Any]:
    """Measures images per second, their share of the speed of a matrix product, and memory.

    With `--by_layer` and for a table, it measures every layer by itself, too.
    """
    is_training = config.benchmark.benchmark == 'train_step'
    recipe = build.resolve_recipe(config)
    if is_training:
        recipe = recipe.resize_for_training()
    create = _create_train_step if is_training else _create_inference
    model, call = create(config, recipe, config.benchmark.num_classes, recipe.batch_size)
    operations = flops.count_operations(model, training=is_training)
    result = _measure_throughput(config, recipe, call, operations)
    if config.benchmark.by_layer and config.predict.output != 'json':
        result['layers'] = _measure_layers(
            model, recipe.batch_size, training=is_training, runs=config.benchmark.runs
        )
    return result


def format_table(result: dict[str, Any]) -> str:
    """Formats a result for people."""
    spread = timing.format_range(result, '.1f')
    lines = [
        (result['benchmark'], f'recipe {result["recipe"]}, {result["columns"]} columns'),
        ('on', ', '.join(result['devices'])),
        ('precision, batch', f'{result["precision"]}, {result["batch_size"]}'),
        ('images/s', f'{result["images_per_sec"]:.1f} (median of {result["runs"]}; {spread})'),
        ('GFLOP/s', f'{result["gflop_per_sec"]:.0f} ({result["gflop_per_image"]:.2f} per image)'),
        ('matrix product, GFLOP/s', f'{result["matrix_product_gflop_per_sec"]:.0f}'),
        ('share of it', f'{result["share_of_matrix_product"]:.2f}'),
        ('peak memory', f'{result["peak_memory_bytes"] / 2**30:.2f} GiB'),
    ]
    width = max(len(name) for name, _ in lines)
    table = '\n'.join(f'{name:<{width}}  {value}' for name, value in lines)
    return f'{table}\n\n{_format_layers(result)}' if 'layers' in result else table


def _format_layers(result: dict[str, Any]) -> str:
    """Formats a row for each layer, and their sum."""
    times = result['layers'] | {'sum': [*sum(result['layers'].values())[:2], 0]}
    is_training = result['benchmark'] == 'train_step'
    rows = [
        (
            name,
            f'{1000 * forward:.1f}',
            f'{1000 * backward:.1f}' if is_training else '',
            f'{operations / forward / _GIGA:.0f}' if operations else '',
        )
        for name, (forward, backward, operations) in times.items()
    ]
    return tables.format_table(('layer', 'forward, ms', 'backward, ms', 'forward, GFLOP/s'), rows)


def create_step(
    config: schema.Config, recipe: recipes.Recipe, num_classes: int, **options
) -> tuple[keras.Model, Callable[..., np.ndarray]]:
    """Creates a network, and the function that trains it on a batch.

    Args:
        config: Settings of the command.
        recipe: Hyperparameters.
        num_classes: Number of classes.
        options: More for `build.build_learner`.

    Returns:
        The network; and a function (images, labels, mask) -> metrics (3,) float32, which waits
        until the step is done.
    """
    replicas = build.create_replicas(config)
    learner = build.build_learner(config, recipe, num_classes, replicas=replicas, **options)
    learner.optimizer.learning_rate = _LEARNING_RATE
    return learner.model, lambda *batch: learner.step(*batch).metrics.numpy()


def _create_train_step(
    config: schema.Config, recipe: recipes.Recipe, num_classes: int, batch_size: int
) -> tuple[keras.Model, Callable[[], np.ndarray]]:
    model, step = create_step(config, recipe, num_classes)
    images = _create_images(config, model, batch_size)
    labels, mask = tf.range(batch_size, dtype=tf.int64) % num_classes, tf.ones(batch_size)
    return model, lambda: step(images, labels, mask)


def _create_inference(
    config: schema.Config, recipe: recipes.Recipe, num_classes: int, batch_size: int
) -> tuple[keras.Model, Callable[[], np.ndarray]]:
    devices = config.network.devices
    recipe = recipe.replace(training_crop_size=0)  # for an input of one size
    model = build.build_model(config, recipe, num_classes, devices=devices, compiled=True)
    images = _create_images(config, model, batch_size)
    forward = tf.function(lambda: model(images, training=False), jit_compile=False)
    return model, lambda: forward().numpy()


def _create_images(config: schema.Config, model: keras.Model, batch_size: int) -> tf.Tensor:
    with tf.device(_list_devices(config)[0]):
        images = tf.random.normal((batch_size, *model.input.shape[1:]), stddev=_PIXEL_SD)
        return tf.cast(images, model.input.dtype)


def _list_devices(config: schema.Config) -> list[str]:
    """Lists the devices of the columns."""
    return list(config.network.devices) or [placement.get_default_device()]


def _measure_throughput(
    config: schema.Config, recipe: recipes.Recipe, call: Callable, operations: int
) -> dict[str, Any]:
    """Measures the calls between two matrix products, since the machine may change its speed."""
    precision = config.network.precision
    devices = _list_devices(config)
    matmul_runs = min(config.benchmark.runs, _MATMUL_RUNS)
    before = timing.measure_matmul(precision, devices, matmul_runs)
    timing.reset_peak_memory(devices)
    durations = timing.measure_calls(call, config.benchmark.runs)
    peak_memory = timing.read_peak_memory(devices)
    after = timing.measure_matmul(precision, devices, matmul_runs)
    matmul = statistics.mean([before, after])
    images_per_sec = recipe.batch_size / statistics.median(durations)
    return {
        'benchmark': config.benchmark.benchmark,
        'recipe': recipe.name,
        'columns': recipe.columns,
        'precision': precision,
        'devices': devices,
        'batch_size': recipe.batch_size,
        'images_per_sec': images_per_sec,
        'images_per_sec_low': recipe.batch_size / max(durations),
        'images_per_sec_high': recipe.batch_size / min(durations),
        'runs': len(durations),
        'gflop_per_image': operations / _GIGA,
        'gflop_per_sec': images_per_sec * operations / _GIGA,
        'matrix_product_gflop_per_sec': matmul / _GIGA,
        'share_of_matrix_product': images_per_sec * operations / matmul,
        'peak_memory_bytes': peak_memory,
    }


def _measure_layers(
    model: keras.Model, batch_size: int, *, training: bool, runs: int
) -> dict[str, np.ndarray]:
    """Measures each layer by itself; in the whole network, some are fused with others.

    Returns:
        Seconds forward, seconds backward and floating-point operations forward, (3,) float64: of a
        layer, or of the layers of that name in both columns.
    """
    times: dict[str, np.ndarray] = {}
    multiply_adds = flops.count_multiply_adds(model)
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            operations = 2 * batch_size * multiply_adds.get(layer.name, 0)
            row = np.array([*_measure_layer(layer, batch_size, training, runs), operations])
            name = layer.name.removesuffix('_a').removesuffix('_b')
            times[name] = times.get(name, 0) + row
    return times


def _measure_layer(layer, batch_size: int, training: bool, runs: int) -> tuple[float, float]:
    """Measures seconds of a layer's forward pass and of its gradients; 0.0 without training."""
    with tf.device(getattr(layer, 'device', None)):
        inputs = [
            tf.cast(tf.random.normal((batch_size, *tensor.shape[1:])), layer.compute_dtype)
            for tensor in tf.nest.flatten(layer.input)
        ]
    is_normalization = isinstance(layer, batch_normalization.BatchNormalization)
    has_mode = is_normalization or isinstance(layer, dropout.Dropout)
    mode = {'training': training} if has_mode else {}

    def run():
        return layer(inputs if isinstance(layer.input, list) else inputs[0], **mode)

    forward = statistics.median(timing.measure_calls(tf.function(run), runs))
    sources = [variable.value for variable in layer.trainable_variables]
    if is_normalization or not layer.name.startswith('conv1'):  # the image needs no gradient
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


def measure_evaluation(config: schema.Config) -> dict[str, Any]:
    """Measures images per second of the network alone, of single-crop and of ten-crop scoring."""
    manifest, recipe = training_data.load_manifest(config), build.resolve_recipe(config)
    split, batch_size = config.evaluation.split, config.evaluation.eval_batch_size
    training_data.check_image_size(recipe, manifest)
    selection.check_split(manifest, split, '--split')
    model, infer = _create_inference(config, recipe, len(manifest.classes), batch_size)
    examples = manifest.count_examples(split)
    mean_image = manifests.load_statistics(manifest).mean_image
    preprocess = build.build_preprocessing(mean_image, recipe)
    measurements = {_BARE: lambda: timing.measure_call(infer, batch_size, calls=_BARE_BATCHES)}
    for name, views in ((_SINGLE_CROP, outputs.VIEWS['1']), (_TEN_CROP, outputs.VIEWS['10'])):
        network = evaluator.Evaluator(model, preprocess, views=views, batch_size=batch_size)
        evaluate = functools.partial(network.evaluate, manifest, split)
        measurements[name] = functools.partial(timing.measure_call, evaluate, examples)
    for measure_once in measurements.values():
        measure_once()  # traces, and fills the storage's cache
    rows = timing.measure_in_turns(measurements, config.benchmark.runs)
    bare, single, ten = (row['images_per_sec'] for row in rows.values())
    return {
        'benchmark': 'evaluate',
        'precision': config.network.precision,
        'batch_size': batch_size,
        'examples': examples,
        'record_encoding': manifest.layout.encoding,
        'stages': rows,
        'one_view_of_bare': single / bare,
        'ten_views_of_a_tenth': 10 * ten / bare,
    }


def format_evaluation_table(result: dict[str, Any]) -> str:
    """Formats the rates for people."""
    rows = [
        (name, f'{row["images_per_sec"]:,.1f}', timing.format_range(row, ',.1f'))
        for name, row in result['stages'].items()
    ]
    table = tables.format_table((result['precision'], 'images/s', 'range'), rows)
    return (
        f'{table}\n\nsingle-crop: {result["one_view_of_bare"]:.2f} of bare inference; ten-crop: '
        f'{result["ten_views_of_a_tenth"]:.2f} of a tenth of it'
    )
