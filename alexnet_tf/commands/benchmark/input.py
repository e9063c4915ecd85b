"""Measures how fast records become batches, and what training loses by waiting for them."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.benchmark import network, timing
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.runs import build, training_data
from input_pipeline import cores
from input_pipeline.batches import datasets, shuffling
from input_pipeline.images import decoding, rendering
from input_pipeline.records import manifests, reading, references

_EPOCHS = 1_000_000  # more than a benchmark reads
_BUSY = 0.8  # share of the cores
_DECODER_IMAGES = 2048  # in memory, to measure the decoder alone
_DECODER, _READ, _FINISHED = 'decoder alone', 'read', 'finished'
_MIN_STEPS = 8  # of one measurement of training


def measure(config: schema.Config) -> dict[str, Any]:
    """Measures images per second of each stage together with those before it."""
    stream, manifest = _create_stream(config)
    stream = dataclasses.replace(stream, on_accelerator=False)
    pipelines = {
        _DECODER: lambda: _decode_from_memory(stream),
        _READ: lambda: _read(stream),
        'read, decode, crop': lambda: _crop(dataclasses.replace(stream, on_accelerator=True)),
        '... and mirror': lambda: _crop(stream),
        _FINISHED: lambda: _finish(stream, 'float32'),
        'finished in bfloat16': lambda: _finish(stream, 'bfloat16'),
    }
    measurements = {  # each pipeline is created when it is first measured
        name: functools.partial(timing.measure_stream, _iterate_sizes(create, stream))
        for name, create in pipelines.items()
    }
    rows = timing.measure_in_turns(measurements, config.benchmark.runs)
    return {
        'benchmark': 'input',
        'data_dir': str(manifest.directory),
        'record_encoding': manifest.layout.encoding,
        'record_bytes': _measure_bytes(stream, manifest),
        'batch_size': stream.batch_size,
        'cores': cores.count_cores(),
        'stages': rows,
        'share_of_limit': rows[_FINISHED]['images_per_sec'] / rows[_DECODER]['images_per_sec'],
    }


def _measure_bytes(stream: datasets.TrainingDataset, manifest: manifests.Manifest) -> float:
    """Measures the mean size of a record, or of the image that it refers to."""
    if manifest.layout.encoding == references.ENCODING:
        return float(np.mean([len(image) for image in _read_images(stream)]))
    train_bytes = sum(shard.bytes for shard in manifest.splits[manifests.TRAIN])
    return train_bytes / manifest.count_examples(manifests.TRAIN)


def format_table(result: dict[str, Any]) -> str:
    """Formats the stages for people, and what limits them."""
    limit = result['stages'][_DECODER]['images_per_sec']
    rows = [
        (
            name,
            f'{row["images_per_sec"]:,.0f}',
            timing.format_range(row, ',.0f'),
            f'{row["images_per_sec"] * result["record_bytes"] / 1e6:,.0f}' * (name == _READ),
            f'{row["cores_used"]:.2f}',
            f'{row["images_per_sec"] / limit:.2f}',
        )
        for name, row in result['stages'].items()
    ]
    header = ('stage', 'images/s', 'range', 'MB/s of records', 'cores used', 'of the decoder')
    return f'{tables.format_table(header, rows)}\n\n{_explain_limit(result)}'


def measure_training(config: schema.Config) -> dict[str, Any]:
    """Measures training on one batch in memory against training on records."""
    stream, manifest = _create_stream(config)
    recipe, num_classes = build.resolve_recipe(config), len(manifest.classes)
    finish = stream.augment.finish_on_device if stream.on_accelerator else None
    _, step = network.create_step(config, recipe, num_classes, finish_on_device=finish)
    batches = _iterate(stream.read_batches(epochs=_EPOCHS), stream)
    batch = next(batches)
    step(*batch)
    sources = {'from memory': itertools.repeat(batch), 'from records': batches}
    measurements = {
        name: functools.partial(timing.measure_stream, _train(step, source), min_batches=_MIN_STEPS)
        for name, source in sources.items()
    }
    rows = timing.measure_in_turns(measurements, config.benchmark.runs)
    memory, records = (row['images_per_sec'] for row in rows.values())
    return {
        'benchmark': 'end_to_end',
        'precision': config.network.precision,
        'batch_size': stream.batch_size,
        'record_encoding': manifest.layout.encoding,
        'stages': rows,
        'lost_to_input': 1 - records / memory,
    }


def format_training_table(result: dict[str, Any]) -> str:
    """Formats both speeds and the loss for people."""
    rows = [
        (name, f'{row["images_per_sec"]:,.1f}', f'{row["cores_used"]:.2f}')
        for name, row in result['stages'].items()
    ]
    lost = tables.format_percent(result['lost_to_input'])
    table = tables.format_table(('training', 'images/s', 'cores used'), rows)
    return f'{table}\n\nlost to input: {lost} ({result["precision"]}, {result["record_encoding"]})'


def _train(step: Callable, batches: Iterable) -> Iterator[int]:
    """Trains on batches, and yields the number of examples in each."""
    for batch in batches:
        step(*batch)
        yield _count(batch)


def _create_stream(config: schema.Config) -> tuple[datasets.TrainingDataset, manifests.Manifest]:
    """Creates the training dataset of a config, and loads the manifest of its records."""
    manifest, recipe = training_data.load_manifest(config), build.resolve_recipe(config)
    augment = build.build_augmentation(manifests.load_statistics(manifest), recipe)
    return training_data.create_stream(config, recipe, manifest, augment), manifest


def _iterate(batches: tf.data.Dataset, stream: datasets.TrainingDataset) -> Iterator:
    """Iterates over batches of a training dataset; names a record that cannot be read."""
    directory = os.path.dirname(stream.shards[0][0])
    return datasets.iterate(batches, directory, stream.find_first_unreadable)


def _explain_limit(result: dict[str, Any]) -> str:
    limits = {'jpeg': 'the JPEG decoder', 'raw': 'copying bytes'}
    limit = limits.get(result['record_encoding'], 'decoding and rescaling')
    if result['stages'][_FINISHED]['cores_used'] <= _BUSY * result['cores']:
        limit = 'storage or a single thread, since cores are idle'
    return (
        f'{result["cores"]} cores: limited by {limit}; {result["share_of_limit"]:.2f} of the speed '
        'of the decoder alone'
    )


def _decode_from_memory(stream: datasets.TrainingDataset) -> tf.data.Dataset:
    """The plainest use of the decoder: `decode_and_crop_jpeg` at random offsets, then batches.

    It neither reads, parses nor shuffles. Raw records are only cropped; unprepared images are
    rescaled, too.
    """
    encoded = _read_images(stream)
    size, side = stream.augment.window_size, stream.layout.square_size

    def crop(index, image):
        offsets = tf.random.stateless_uniform(
            [2], tf.stack([index, index]), 0, side - size + 1, tf.int32
        )
        if stream.layout.encoding == 'raw':
            pixels = tf.reshape(tf.io.decode_raw(image, tf.uint8), [side, side, 3])
            return tf.slice(pixels, tf.concat([offsets, [0]], 0), [size, size, 3])
        if stream.layout.encoding == references.ENCODING:
            square = rendering.render(image, rendering.PLAIN, side).square
            return tf.slice(square, tf.concat([offsets, [0]], 0), [size, size, 3])
        window = tf.concat([offsets, [size, size]], 0)
        return tf.io.decode_and_crop_jpeg(image, window, channels=3, dct_method=decoding.DCT_METHOD)

    images = tf.data.Dataset.from_tensor_slices(encoded).enumerate().repeat()
    crops = images.map(crop, num_parallel_calls=tf.data.AUTOTUNE)
    return crops.batch(stream.batch_size).prefetch(2)


def _read_images(stream: datasets.TrainingDataset) -> np.ndarray:
    """Reads encoded images as they are stored."""
    chunks = _read(stream).take(_DECODER_IMAGES // shuffling.CHUNK)
    items = [item for chunk, _ in chunks for item in chunk.numpy()]
    if stream.layout.encoding == references.ENCODING:
        return np.array(items, object)
    return reading.parse_records(tf.constant(items), stream.layout)[0].numpy()


def _read(stream: datasets.TrainingDataset) -> tf.data.Dataset:
    """Reads whole records, or the files that they refer to."""

    def read_files(chunk):
        encoded, _ = reading.parse_records(chunk.records, stream.layout)
        files = tf.map_fn(lambda file: references.read(file, stream.layout.root).encoded, encoded)
        return files, chunk.mask

    def keep(chunk):
        return chunk.records, chunk.mask

    refers = stream.layout.encoding == references.ENCODING
    chunks = dataclasses.replace(stream, in_place=False).read_chunks(epochs=_EPOCHS)
    return chunks.map(read_files if refers else keep, num_parallel_calls=tf.data.AUTOTUNE)


def _crop(stream: datasets.TrainingDataset) -> tf.data.Dataset:
    return stream.read_crops(epochs=_EPOCHS).rebatch(stream.batch_size).prefetch(2)


def _finish(stream: datasets.TrainingDataset, dtype: str) -> tf.data.Dataset:
    return dataclasses.replace(stream, dtype=dtype).read_batches(epochs=_EPOCHS)


def _iterate_sizes(create: Callable[[], tf.data.Dataset], stream) -> Iterator[int]:
    for batch in _iterate(create(), stream):
        yield _count(batch)


def _count(batch) -> int:
    """Counts the examples of a batch, without the padding of an epoch's last batch."""
    is_tensor = isinstance(batch, tf.Tensor)  # images alone
    return int(batch.shape[0] if is_tensor else batch[-1].numpy().sum())
