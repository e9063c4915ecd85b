"""Measures how fast a split is scored, single-crop and ten-crop, beside the bare network."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.commands.evaluate import selection
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.reports import tables
from alexnet_tf.runs import build, training_data
from alexnet_tf.training import evaluator
from input_pipeline.records import manifests

_BARE, _SINGLE_CROP, _TEN_CROP = 'bare inference', 'one view', 'ten views'
_BARE_BATCHES = 8


def measure(config: schema.Config) -> dict[str, Any]:
    """Measures images per second of the network alone, of single-crop and of ten-crop scoring."""
    manifest, recipe = training_data.load_manifest(config), build.resolve_recipe(config)
    split, batch_size = config.evaluation.split, config.evaluation.eval_batch_size
    training_data.check_image_size(recipe, manifest)
    selection.check_split(manifest, split, '--split')
    devices, num_classes = config.network.devices, len(manifest.classes)
    model = build.build_model(config, recipe, num_classes, devices=devices, compiled=True)
    examples = manifest.count_examples(split)
    mean_image = manifests.load_statistics(manifest).mean_image
    measurements = {_BARE: _create_inference(model, batch_size)}
    for name, views in ((_SINGLE_CROP, outputs.VIEWS['1']), (_TEN_CROP, outputs.VIEWS['10'])):
        network = evaluator.Evaluator(
            model, mean_image, crop_size=recipe.crop_size, views=views, batch_size=batch_size
        )
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


def format_table(result: dict[str, Any]) -> str:
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


def _create_inference(model, batch_size: int) -> Callable[[], timing.Rate]:
    images = tf.random.normal((batch_size, *model.input.shape[1:]), stddev=60.0)
    forward = tf.function(lambda: model(images, training=False), jit_compile=False)

    def infer():
        for _ in range(_BARE_BATCHES):
            forward().numpy()

    return functools.partial(timing.measure_call, infer, _BARE_BATCHES * batch_size)
