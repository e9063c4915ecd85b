"""An int8 LiteRT model beside the float32 one: errors on a split, size and latency."""

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from alexnet_tf.evaluation import metrics
from alexnet_tf.export import formats, litert
from alexnet_tf.models import outputs
from alexnet_tf.reports import progress, tables
from alexnet_tf.runs import loading
from input_pipeline import cores
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_BATCH_SIZE, _TOLERANCE = 16, 1e-4
_CALIBRATION_SHARDS, _OF_EACH = 8, 16  # so that the examples are from all over the split


def write(
    path: pathlib.Path, trained: loading.TrainedRun, manifest: manifests.Manifest
) -> dict[str, Any]:
    """Writes the int8 model of a network, and measures it beside the float32 one.

    Args:
        path: File to write.
        trained: The network, with float32 activations.
        manifest: Manifest of records with the same classes.

    Returns:
        What `compare` returns for 'int8' and 'float32' on the validation split, and the number of
        'calibration_images'.

    Raises:
        DataError: A record cannot be read.
    """
    squares = read_representative(manifest)
    formats.write_int8(path, trained.model, trained.preprocess, squares)
    few = squares[:_BATCH_SIZE]
    logits = trained.model(trained.preprocess.make_views(few, 1), training=False)
    scores = outputs.average_probabilities(logits, 1).numpy()
    with tempfile.TemporaryDirectory() as folder:
        float32 = pathlib.Path(folder) / 'float32.tflite'
        formats.write_model(
            float32,
            trained.model,
            trained.preprocess,
            reference=(few, scores),
            tolerance=_TOLERANCE,
        )
        models = {'int8': path, 'float32': float32}
        return {
            'calibration_images': len(squares),
            **compare(models, manifest, manifests.VALIDATION),
        }


def read_representative(manifest: manifests.Manifest) -> np.ndarray:
    """Reads training images from which the ranges of int8 are chosen.

    Returns:
        (n, size, size, 3) uint8 RGB, n at most 128, from shards that are spread over the split.

    Raises:
        DataError: A record cannot be read.
    """
    shards = manifest.list_shards(manifests.TRAIN)
    spread = np.linspace(0, len(shards) - 1, min(_CALIBRATION_SHARDS, len(shards)))
    count = _CALIBRATION_SHARDS * _OF_EACH // len(spread)
    squares: list[np.ndarray] = []
    for path, records in (shards[at] for at in spread.astype(int)):
        squares += datasets.read_squares(
            [(path, records)], manifest.layout, range(min(count, records))
        )
    return np.stack(squares)


def compare(
    models: Mapping[str, pathlib.Path], manifest: manifests.Manifest, split: str
) -> dict[str, Any]:
    """Measures LiteRT models on the same images.

    Args:
        models: Files by a name for each.
        manifest: Of the records.
        split: Name of the split.

    Returns:
        'split', 'images', and for each model 'bytes', 'top1_error' and 'top5_error' in [0, 1], and
        'latency_ms', the median time of one image on one thread.

    Raises:
        DataError: A record cannot be read.
    """
    running = {name: litert.LiteRTModel(path, cores.count_cores()) for name, path in models.items()}
    sums, done = {name: np.zeros(2) for name in models}, 0
    total = manifest.count_examples(split)
    batches = datasets.iterate_examples(
        manifest.list_shards(split),
        layout=manifest.layout,
        batch_size=_BATCH_SIZE,
        data_dir=manifest.directory,
    )
    with progress.Progress(f'{split} images by LiteRT') as bar:
        for squares, labels, mask in batches:
            squares, is_example = squares.numpy(), mask.numpy() > 0
            for name, model in running.items():
                errors = metrics.compute_top_k_errors(labels.numpy(), model(squares))
                sums[name] += [error[is_example].sum() for error in errors]
            done += int(is_example.sum())
            bar.update(done, total)
    results = {
        name: {
            'bytes': path.stat().st_size,
            **dict(zip(outputs.METRICS[1:], (sums[name] / done).tolist(), strict=True)),
            'latency_ms': litert.LiteRTModel(path).measure_latency(squares[:1]),
        }
        for name, path in models.items()
    }
    return {'split': split, 'images': done, **results}


def describe(comparison: Mapping[str, Any]) -> str:
    """Describes what `compare` measured for 'int8' and 'float32'."""
    int8, float32 = comparison['int8'], comparison['float32']
    accuracies = (tables.format_accuracy(model['top1_error']) for model in (int8, float32))
    sizes = (f'{model["bytes"] / 1e6:.1f} MB' for model in (int8, float32))
    times = (f'{model["latency_ms"]:.1f} ms' for model in (int8, float32))
    pairs = (f'{one} (float32: {other})' for one, other in (accuracies, sizes, times))
    accuracy, size, latency = pairs
    images = f'{comparison["images"]:,} {comparison["split"]} images'
    return f'accuracy {accuracy} on {images}, {size}, {latency} an image on one thread'
