"""How fast records become batches, stage by stage, and what training loses by waiting for them."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from alexnet_tf.commands.benchmark import timing
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.runs import run as runs
from alexnet_tf.runs import training_data
from input_pipeline.batches import datasets, preprocessing
from input_pipeline.records import manifests

_SECONDS = 3.0  # of one measurement
_STEPS = 8  # of one measurement of training, at least
_FOREVER = 1_000_000  # epochs
_BUSY = 0.8  # share of the cores
_HELD = 2048  # pictures in memory that the decoder's limit is measured on
LIMIT, FINISHED = 'decoder alone', 'finished'


def stages(config: schema.Config) -> dict[str, Any]:
    """Images a second of each stage with those before it; all take turns, `runs` times."""
    stream, manifest = _stream(config)
    batches = {
        LIMIT: lambda: _decoder_alone(stream),
        'read': lambda: stream.chunks(epochs=_FOREVER),
        'read, decode, crop': lambda: _bytes(dataclasses.replace(stream, on_accelerator=True)),
        '... and mirror': lambda: _bytes(stream),
        FINISHED: lambda: _finished(stream, 'float32'),
        'finished in bfloat16': lambda: _finished(stream, 'bfloat16'),
    }
    rows = timing.in_turns(
        {name: _measure_of(make, stream) for name, make in batches.items()}, config.benchmark.runs
    )
    mean = sum(s.bytes for s in manifest.splits['train']) / manifest.examples('train')
    return {
        'benchmark': 'input',
        'data_dir': str(manifest.directory),
        'record_encoding': manifest.layout.encoding,
        'record_bytes': mean,
        'batch_size': stream.batch_size,
        'cores': os.cpu_count(),
        'stages': rows,
        'share_of_limit': rows[FINISHED]['images_per_sec'] / rows[LIMIT]['images_per_sec'],
    }


def table(result: dict[str, Any]) -> str:
    """The stages for people, and what bounds them."""
    limit = result['stages'][LIMIT]['images_per_sec']
    rows = [
        (
            name,
            f'{row["images_per_sec"]:,.0f}',
            f'{row["images_per_sec_low"]:,.0f} to {row["images_per_sec_high"]:,.0f}',
            f'{row["images_per_sec"] * result["record_bytes"] / 1e6:,.0f}',
            f'{row["cores_used"]:.2f}',
            f'{row["images_per_sec"] / limit:.2f}',
        )
        for name, row in result['stages'].items()
    ]
    header = ('stage', 'images/s', 'range', 'MB/s of records', 'cores used', 'of the decoder')
    used = result['stages'][FINISHED]['cores_used'] / result['cores']
    busy = 'decoder-bound' if result['record_encoding'] == 'jpeg' else 'bound by copying bytes'
    bound = busy if used > _BUSY else 'bound by storage or by one thread, for cores are idle'
    verdict = f'{bound}, at {result["share_of_limit"]:.2f} of the decoder alone'
    return f'{tables.text(header, rows)}\n\n{result["cores"]} cores: {verdict}'


def end_to_end(config: schema.Config, step_of: Callable) -> dict[str, Any]:
    """Training on one batch in memory against training on records.

    Args:
        config: Of the command.
        step_of: Makes the call that learns from a batch, of the number of classes and of what
            `steps.training_step` takes for `images_of`.
    """
    stream, manifest = _stream(config)
    later = stream.augment.finish_on_device if stream.on_accelerator else None
    step = step_of(len(manifest.classes), later)
    batches = _read(stream.batches(epochs=_FOREVER), stream)
    held = next(batches)
    step(*held)

    def from_memory():
        while True:
            yield held

    sources = {'from memory': from_memory(), 'from records': batches}
    measures = {
        name: lambda source=source: _rate(_learning(step, source), _STEPS)
        for name, source in sources.items()
    }
    rows = timing.in_turns(measures, config.benchmark.runs)
    memory, records = (rows[name]['images_per_sec'] for name in sources)
    return {
        'benchmark': 'end_to_end',
        'precision': config.network.precision,
        'batch_size': stream.batch_size,
        'record_encoding': manifest.layout.encoding,
        'stages': rows,
        'lost_to_input': 1 - records / memory,
    }


def end_to_end_table(result: dict[str, Any]) -> str:
    """Both rates and the loss, for people."""
    rows = [
        (name, f'{row["images_per_sec"]:,.1f}', f'{row["cores_used"]:.2f}')
        for name, row in result['stages'].items()
    ]
    lost = tables.percent(result['lost_to_input'])
    table = tables.text(('training', 'images/s', 'cores used'), rows)
    return f'{table}\n\nlost to input: {lost} ({result["precision"]}, {result["record_encoding"]})'


def _stream(config: schema.Config):
    manifest, numbers = training_data.load(config), runs.resolve_recipe(config)
    augment = runs.augmentation(manifests.statistics(manifest), numbers)
    return training_data.of(config, numbers, manifest, augment), manifest


def _decoder_alone(stream) -> tf.data.Dataset:
    """The plainest use of the decoder: a map of `decode_and_crop_jpeg` at random places, batched.

    From memory, without reading, parsing or shuffling. Of raw records, the crop alone.
    """
    held = [
        r
        for chunk in stream.chunks(epochs=_FOREVER).take(_HELD // 32)
        for r in chunk.records.numpy()
    ]
    encoded, _ = preprocessing.parse(tf.constant(held), stream.layout)
    size = stream.augment.crop_size
    side = stream.layout.square_size
    border = side - size

    def crop(at, picture):
        key = tf.stack([at, at])
        corner = tf.random.stateless_uniform([2], key, 0, border + 1, tf.int32)
        if stream.layout.encoding == 'raw':
            pixels = tf.reshape(tf.io.decode_raw(picture, tf.uint8), [side, side, 3])
            return tf.slice(pixels, tf.concat([corner, [0]], 0), [size, size, 3])
        window = tf.concat([corner, [size, size]], 0)
        return tf.io.decode_and_crop_jpeg(
            picture, window, channels=3, dct_method='INTEGER_ACCURATE'
        )

    pictures = tf.data.Dataset.from_tensor_slices(encoded).enumerate().repeat()
    cut = pictures.map(crop, num_parallel_calls=tf.data.AUTOTUNE)
    return cut.batch(stream.batch_size).prefetch(2)


def _finished(stream, dtype: str) -> tf.data.Dataset:
    return dataclasses.replace(stream, dtype=dtype).batches(epochs=_FOREVER)


def _bytes(stream) -> tf.data.Dataset:
    return stream.crops(epochs=_FOREVER).rebatch(stream.batch_size).prefetch(2)


def _read(batches: tf.data.Dataset, stream) -> Iterator:
    directory = os.path.dirname(stream.shards[0][0])
    return datasets.read(batches, directory, stream.first_unreadable)


def _measure_of(make: Callable[[], tf.data.Dataset], stream) -> Callable[[], dict[str, float]]:
    iterator = None

    def measure():
        nonlocal iterator
        iterator = iterator or _sizes(_read(make(), stream))
        return _rate(iterator)

    return measure


def _sizes(batches: Iterator) -> Iterator[int]:
    """Examples in each batch."""
    for batch in batches:
        yield int(tf.nest.flatten(batch)[-1].shape[0])


def _learning(step: Callable, source: Iterator) -> Iterator[int]:
    for batch in source:
        step(*batch)
        yield int(batch[-1].shape[0])


def _rate(sizes: Iterator[int], least: int = 1) -> dict[str, float]:
    """Examples a second over some seconds and batches, after half as many that do not count."""
    for share in (0.5, 1.0):
        cpu, start, number, batches = time.process_time(), time.perf_counter(), 0, 0
        while time.perf_counter() - start < share * _SECONDS or batches < share * least:
            number += next(sizes)
            batches += 1
        taken = time.perf_counter() - start
    return {'rate': number / taken, 'cores': (time.process_time() - cpu) / taken}
