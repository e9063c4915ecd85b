"""How fast a split is scored, of one view and of ten, beside the bare network."""

import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from alexnet_tf.runs import training_data
from alexnet_tf.training import evaluator
from input_pipeline.records import manifests

BARE, ONE, TEN = 'bare inference', 'one view', 'ten views'
_BATCHES = 8  # of bare inference


def measured(config: schema.Config, model_of: Callable[[int], keras.Model]) -> dict[str, Any]:
    """Images a second of the network alone, of scoring one view, of scoring ten, in turn.

    Args:
        config: Of the command.
        model_of: Makes a network of a number of classes.
    """
    manifest, numbers = training_data.load(config), runs.resolve_recipe(config)
    split, size = config.evaluation.split, config.evaluation.eval_batch_size
    training_data.check_pictures(numbers, manifest)
    scoring.check_split(manifest, split, '--split')
    model = model_of(len(manifest.classes))
    mean = manifests.statistics(manifest)['mean_image']
    images = tf.random.normal((size, *model.input.shape[1:]), stddev=60.0)
    forward = tf.function(lambda: model(images, training=False), jit_compile=False)
    measures = {BARE: _rate(lambda: [forward().numpy() for _ in range(_BATCHES)], _BATCHES * size)}
    for name, views in ((ONE, 1), (TEN, 10)):
        score = evaluator.Scorer(
            model, mean, crop_size=numbers.crop_size, views=views, batch_size=size
        )
        measures[name] = _rate(lambda score=score: score(manifest, split), manifest.examples(split))
    for measure in measures.values():
        measure()  # traces, and fills the storage's cache
    rows = timing.in_turns(measures, config.benchmark.runs)
    bare, one, ten = (rows[name]['images_per_sec'] for name in (BARE, ONE, TEN))
    return {
        'benchmark': 'evaluate',
        'precision': config.network.precision,
        'batch_size': size,
        'examples': manifest.examples(split),
        'record_encoding': manifest.layout.encoding,
        'stages': rows,
        'one_view_of_bare': one / bare,
        'ten_views_of_a_tenth': 10 * ten / bare,
    }


def table(result: dict[str, Any]) -> str:
    """The rates for people."""
    rows = [
        (
            name,
            f'{row["images_per_sec"]:,.1f}',
            f'{row["images_per_sec_low"]:,.1f} to {row["images_per_sec_high"]:,.1f}',
        )
        for name, row in result['stages'].items()
    ]
    shown = tables.text((result['precision'], 'images/s', 'range'), rows)
    return (
        f'{shown}\n\none view: {result["one_view_of_bare"]:.2f} of bare inference; ten views: '
        f'{result["ten_views_of_a_tenth"]:.2f} of a tenth of it'
    )


def _rate(call: Callable[[], object], examples: int) -> Callable[[], dict[str, float]]:
    def measure():
        cpu, start = time.process_time(), time.perf_counter()
        call()
        taken = time.perf_counter() - start
        return {'rate': examples / taken, 'cores': (time.process_time() - cpu) / taken}

    return measure
