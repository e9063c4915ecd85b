"""How long a SavedModel takes to answer, beside the same network in this process."""

import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.export import saved_model, signatures, untrusted_images
from alexnet_tf.models import alexnet
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from input_pipeline.batches import preprocessing
from input_pipeline.images import decoding as decoding_lib

IN_PROCESS, PIXELS, ENCODED, DECODING = (
    'in process, pixels',
    'served, pixels',
    'served, encoded',
    'decoding alone',
)
# Pictures of a request, and how many requests for each of --runs.
_BATCHES = {1: 20, 8: 5, 64: 1}
_WARM_UP = 3
_PHOTOGRAPH = (375, 500)  # ImageNet's mean height and width


def measured(config: schema.Config) -> dict[str, Any]:
    """Milliseconds a request, median and 99th percentile, and images a second, by batch size."""
    numbers = runs.resolve_recipe(config)
    classes = [f'class {at}' for at in range(config.benchmark.num_classes)]
    model = runs.build_model(config, numbers, len(classes), devices=(), compiled=False)
    size = decoding_lib.SQUARE_SIZE
    mean_image = np.full((size, size, 3), 120.0, np.float32)
    served = signatures.of(model, classes, mean_image, crop_size=numbers.crop_size)
    loaded, photograph = _loaded(model, served), _photograph()
    calls = _calls(served, loaded.signatures, size, photograph)
    rows = [
        {'batch_size': batch, **row}
        for batch, times in _BATCHES.items()
        for row in _measured_batch(calls, batch, times * config.benchmark.runs)
    ]
    return {
        'benchmark': 'serving',
        'precision': config.network.precision,
        'bytes_a_picture': len(photograph),
        'rows': rows,
        'pixels_of_in_process': {
            batch: _median(rows, batch, IN_PROCESS) / _median(rows, batch, PIXELS)
            for batch in _BATCHES
        },
    }


def table(result: dict[str, Any]) -> str:
    """For people."""
    header = ('pictures', result['precision'], 'ms, median', 'ms, p99', 'requests', 'images/s')
    rows = [
        (
            row['batch_size'],
            row['way'],
            f'{row["median_ms"]:.1f}',
            f'{row["p99_ms"]:.1f}',
            row['requests'],
            f'{row["images_per_sec"]:.1f}',
        )
        for row in result['rows']
    ]
    ratios = ', '.join(
        f'{ratio:.2f} at {batch}' for batch, ratio in result['pixels_of_in_process'].items()
    )
    return (
        f'{tables.text(header, rows)}\n\npixels, served: share of the rate in process: {ratios}. '
        f'Encoded: JPEG of {_PHOTOGRAPH[1]} x {_PHOTOGRAPH[0]}, '
        f'{result["bytes_a_picture"]:,} bytes.'
    )


def _loaded(model: keras.Model, served: signatures.Served):
    """The network as a SavedModel, read back as anybody would."""
    variables = [each.value for each in runs.weights(model)]
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / '1'
        saved_model.save(path, variables, signatures.build(served), served.classes)
        return tf.saved_model.load(str(path))


def _calls(served, loaded, size: int, photograph: bytes) -> dict[str, Callable[[int], Callable]]:
    """By way, what makes a request of so many pictures, as a function without arguments."""

    @tf.function(autograph=False, jit_compile=False)
    def in_process(squares):
        views = preprocessing.views(
            squares, served.mean_image, crop_size=served.crop_size, number=1
        )
        return alexnet.averaged_probabilities(served.logits(views), 1)

    @tf.function(autograph=False, jit_compile=False)
    def decoding(encoded):
        return untrusted_images.squares(encoded, size=size, turned=served.turned)[0]

    def of(function, images_of):
        def made(batch):
            images = tf.constant(images_of(batch))
            return lambda: function(images).numpy()

        return made

    def pixels(batch):
        return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)

    def encoded(batch):
        return [photograph] * batch

    return {
        IN_PROCESS: of(in_process, pixels),
        PIXELS: of(lambda images: loaded['pixels'](images=images)['scores'], pixels),
        ENCODED: of(lambda images: loaded['serving_default'](images=images)['scores'], encoded),
        DECODING: of(decoding, encoded),
    }


def _measured_batch(calls, batch: int, number: int):
    """A row for each way, measured in turn."""
    requests = {way: make(batch) for way, make in calls.items()}
    taken = {way: [] for way in requests}
    for at in range(_WARM_UP + number):
        for way, request in requests.items():
            start = time.perf_counter()
            request()
            if at >= _WARM_UP:
                taken[way].append(1000 * (time.perf_counter() - start))
    for way, each in taken.items():
        median = float(np.median(each))
        yield {
            'way': way,
            'median_ms': median,
            'p99_ms': float(np.percentile(each, 99)),
            'requests': number,
            'images_per_sec': 1000 * batch / median,
        }


def _median(rows, batch: int, way: str) -> float:
    (found,) = (row for row in rows if (row['batch_size'], row['way']) == (batch, way))
    return found['median_ms']


def _photograph() -> bytes:
    """A JPEG of a photograph's size, of shapes at several scales."""
    random, picture = np.random.default_rng(0), np.zeros((*_PHOTOGRAPH, 3), np.float32)
    for cells in (4, 16, 64, 256):
        noise = random.normal(0, 160 / cells**0.5, (cells, cells, 3))
        picture += tf.image.resize(noise, _PHOTOGRAPH, 'bicubic').numpy()
    pixels = np.clip(picture + 120, 0, 255).astype(np.uint8)
    return tf.io.encode_jpeg(pixels, quality=90).numpy()
