"""Measures what training loses by waiting for its input."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from alexnet_tf.commands.benchmark import input, network, timing
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.runs import build

_MIN_STEPS = 8  # of one measurement


def measure(config: schema.Config) -> dict[str, Any]:
    """Measures training on one batch in memory against training on records."""
    stream, manifest = input.create_stream(config)
    _, step = network.create_step(
        config,
        build.resolve_recipe(config),
        len(manifest.classes),
        finish_on_device=stream.augment.finish_on_device if stream.on_accelerator else None,
    )
    batches = input.iterate(stream.read_batches(epochs=input.EPOCHS), stream)
    batch = next(batches)
    step(*batch)
    sources = {
        'from memory': _train(step, itertools.repeat(batch)),
        'from records': _train(step, batches),
    }
    measurements = {
        name: lambda sizes=sizes: timing.measure_stream(sizes, min_batches=_MIN_STEPS)
        for name, sizes in sources.items()
    }
    rows = timing.measure_in_turns(measurements, config.benchmark.runs)
    memory, records = (rows[name]['images_per_sec'] for name in sources)
    return {
        'benchmark': 'end_to_end',
        'precision': config.network.precision,
        'batch_size': stream.batch_size,
        'record_encoding': manifest.layout.encoding,
        'stages': rows,
        'lost_to_input': 1 - records / memory,
    }


def format_table(result: dict[str, Any]) -> str:
    """Formats both rates and the loss for people."""
    rows = [
        (name, f'{row["images_per_sec"]:,.1f}', f'{row["cores_used"]:.2f}')
        for name, row in result['stages'].items()
    ]
    lost = tables.format_percent(result['lost_to_input'])
    table = tables.format_table(('training', 'images/s', 'cores used'), rows)
    return f'{table}\n\nlost to input: {lost} ({result["precision"]}, {result["record_encoding"]})'


def _train(step: Callable, batches: Iterable) -> Iterator[int]:
    """Trains on batches, and yields the size of each."""
    for batch in batches:
        step(*batch)
        yield int(batch[-1].shape[0])
