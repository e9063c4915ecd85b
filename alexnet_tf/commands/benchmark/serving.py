"""Measures how long a SavedModel takes per request, beside the same network in this process."""

import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.config import schema
from alexnet_tf.export import saved_model, signatures, untrusted_images
from alexnet_tf.models import outputs
from alexnet_tf.reports import tables
from alexnet_tf.runs import build
from input_pipeline.images import decoding, rendering

_IN_PROCESS, _PIXELS = 'in process, pixels', 'served, pixels'
_ENCODED, _DECODING = 'served, encoded', 'decoding alone'
_REQUESTS = {1: 20, 8: 5, 64: 1}  # images per request -> requests for each of --runs
_WARM_UP = 3  # requests that are not counted
_IMAGE_SHAPE = (375, 500)  # ImageNet's mean height and width


def measure(config: schema.Config) -> dict[str, Any]:
    """Measures milliseconds per request, median and 99th percentile, by images per request."""
    example = _create_jpeg()
    served, weight_bytes = _create_model(config)
    calls = _create_calls(served, example)
    rows = [
        {'batch_size': batch_size, **row}
        for batch_size, requests in _REQUESTS.items()
        for row in _measure_batch_size(calls, batch_size, requests * config.benchmark.runs)
    ]
    medians = {(row['batch_size'], row['method']): row['median_ms'] for row in rows}
    shares = {size: medians[size, _IN_PROCESS] / medians[size, _PIXELS] for size in _REQUESTS}
    return {
        'benchmark': 'serving',
        'precision': config.network.precision,
        'bytes_per_image': len(example),
        'rows': rows,
        'pixels_of_in_process': shares,
        'weight_bytes_per_sec': 1000 * weight_bytes / medians[min(_REQUESTS), _IN_PROCESS],
        'copy_bytes_per_sec': timing.measure_copy(config.benchmark.runs),
    }


def format_table(result: dict[str, Any]) -> str:
    """Formats the rows for people."""
    header = ('images', result['precision'], 'ms, median', 'ms, p99', 'requests', 'images/s')
    rows = [
        [f'{cell:.1f}' if isinstance(cell, float) else cell for cell in row.values()]
        for row in result['rows']
    ]
    shares = ', '.join(
        f'{share:.2f} for {batch_size}'
        for batch_size, share in result['pixels_of_in_process'].items()
    )
    return (
        f'{tables.format_table(header, rows)}\n\n'
        f'Served pixels reach this share of the speed in process, by images per request: {shares}.'
        f'\nEncoded images are JPEGs of {_IMAGE_SHAPE[1]} x {_IMAGE_SHAPE[0]} pixels and '
        f'{result["bytes_per_image"]:,} bytes.\nOne image in process reads '
        f'{result["weight_bytes_per_sec"] / 1e9:.1f} GB/s of weights; a copy in memory reads '
        f'{result["copy_bytes_per_sec"] / 1e9:.1f} GB/s on one core, and writes as much.'
    )


def _create_model(config: schema.Config) -> tuple[signatures.ServedModel, int]:
    """Creates the model to serve, and counts the bytes of its weights."""
    recipe, num_classes = build.resolve_recipe(config), config.benchmark.num_classes
    size = decoding.SQUARE_SIZE
    mean_image = np.full((size, size, 3), 120.0, np.float32)
    model = build.build_model(config, recipe, num_classes, devices=(), compiled=False)
    served = signatures.ServedModel.from_keras(
        model,
        [f'class {label}' for label in range(num_classes)],
        build.build_preprocessing(mean_image, recipe),
    )
    return served, model.count_params() * tf.as_dtype(config.network.precision).size


def _create_calls(
    served: signatures.ServedModel, example: bytes
) -> dict[str, tuple[Callable, Callable[[int], Any]]]:
    """Returns, by method, the function to measure, and one that creates a batch for it."""
    size = served.preprocess.square_size
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / '1'
        saved_model.save(path, served, signatures.build(served))
        loaded = saved_model.load(path).signatures

    @tf.function(autograph=False, jit_compile=False)
    def score_in_process(squares):
        views = served.preprocess.make_views(squares, 1)
        return outputs.average_probabilities(served.compute_logits(views), 1)

    @tf.function(autograph=False, jit_compile=False)
    def decode(encoded):
        squares, _ = untrusted_images.decode_squares(encoded, size=size, rendering=rendering.PLAIN)
        return squares

    def score(signature):
        return lambda images: loaded[signature](images=images)['scores']

    def create_pixels(batch_size):
        return np.random.default_rng(0).integers(0, 256, (batch_size, size, size, 3), np.uint8)

    def create_encoded(batch_size):
        return [example] * batch_size

    return {
        _IN_PROCESS: (score_in_process, create_pixels),
        _PIXELS: (score('pixels'), create_pixels),
        _ENCODED: (score('serving_default'), create_encoded),
        _DECODING: (decode, create_encoded),
    }


def _measure_batch_size(
    calls: Mapping[str, tuple[Callable, Callable[[int], Any]]], batch_size: int, number: int
) -> Iterator[dict[str, Any]]:
    """Yields a row for each way; the ways are measured in turns."""
    requests = {
        way: functools.partial(function, tf.constant(create_images(batch_size)))
        for way, (function, create_images) in calls.items()
    }
    durations = {way: [] for way in requests}
    for index in range(_WARM_UP + number):
        for way, request in requests.items():
            watch = timing.Stopwatch()
            request().numpy()
            if index >= _WARM_UP:
                durations[way].append(1000 * watch.seconds)
    for way, milliseconds in durations.items():
        median = float(np.median(milliseconds))
        yield {
            'method': way,
            'median_ms': median,
            'p99_ms': float(np.percentile(milliseconds, 99)),
            'requests': number,
            'images_per_sec': 1000 * batch_size / median,
        }


def _create_jpeg() -> bytes:
    """Encodes noise at several scales, which compresses about as well as a camera image."""
    random, image = np.random.default_rng(0), np.zeros((*_IMAGE_SHAPE, 3), np.float32)
    for cells in (4, 16, 64, 256):
        noise = random.normal(0, 160 / cells**0.5, (cells, cells, 3))
        image += tf.image.resize(noise, _IMAGE_SHAPE, 'bicubic').numpy()
    pixels = np.clip(image + 120, 0, 255).astype(np.uint8)
    return tf.io.encode_jpeg(pixels, quality=90).numpy()
