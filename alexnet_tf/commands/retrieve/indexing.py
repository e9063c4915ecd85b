"""Builds and loads the indexes of a run: the features of its network, or pixels."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.predict import predictor
from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from alexnet_tf.retrieval import index
from alexnet_tf.runs import loading
from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

FEATURES, PIXELS = 'features', 'pixels'
_THUMBNAIL_SIZE = 32  # as in Krizhevsky and Hinton 2011


def build_index(
    config: schema.Config,
    trained: loading.TrainedRun,
    *,
    manifest: manifests.Manifest,
    split: str,
    kind: str,
) -> index.Index:
    """Loads the index of a split, and computes what it lacks.

    Args:
        config: Settings of the command.
        trained: The run whose features are indexed.
        manifest: Manifest of the records.
        split: Split of the records.
        kind: FEATURES or PIXELS.

    Raises:
        DataError: The directory holds another index.
    """
    directory = _index_directory(config, split, kind)
    key = index.IndexKey(
        kind=kind,
        split=split,
        manifest_sha256=manifest.sha256,
        variables_sha256=_get_variables_sha256(trained, kind),
    )
    writer = index.IndexWriter(directory, key)
    if not (directory / index.MANIFEST).exists():
        shards = manifest.list_shards(split)
        _write_parts(
            config, writer, shards=shards, manifest=manifest, extract=_EXTRACTORS[kind](trained)
        )
        writer.finish(len(shards), checking.read_names(shards), trained.names)
    return index.load(directory, **dataclasses.asdict(key))


def load_index(config: schema.Config, trained: loading.TrainedRun, **expected: str) -> index.Index:
    """Loads the index of `--database` by a run's features; its records need not exist.

    Args:
        config: Settings of the command.
        trained: The run whose features are indexed.
        expected: More fields of the index's key.

    Raises:
        DataError: There is no index, or it is of another network or other records.
    """
    split = config.retrieve.database
    loaded = index.load(
        _index_directory(config, split, FEATURES),
        kind=FEATURES,
        split=split,
        variables_sha256=_get_variables_sha256(trained, FEATURES),
        **expected,
    )
    if loaded.classes != trained.names:
        raise errors.DataError(
            f'{loaded.directory} holds an index of other classes than those of the network in '
            f'{trained.directory}. Choose another --index_dir.'
        )
    return loaded


def _index_directory(config: schema.Config, split: str, kind: str) -> pathlib.Path:
    root = config.retrieve.index_dir or pathlib.Path(config.run_dir) / 'index'
    return pathlib.Path(root) / f'{split}-{kind}'


def _get_variables_sha256(trained: loading.TrainedRun, kind: str) -> str:
    return trained.variables_sha256 if kind == FEATURES else ''


def _write_parts(config, writer: index.IndexWriter, *, shards, manifest, extract) -> None:
    """Writes the parts that are missing, one for each shard."""
    extract = tf.function(extract, autograph=False, jit_compile=False)
    total, done = sum(examples for _, examples in shards), 0
    bar = progress.Progress('images')
    for number, shard in enumerate(shards):
        if not writer.has_part(number):
            vectors, labels = _extract_shard(config, shard, manifest=manifest, extract=extract)
            writer.write_part(number, vectors, labels)
        done += shard[1]
        bar.update(done, total)
    bar.close()


def _extract_shard(config, shard, *, manifest, extract: Callable):
    """Returns (examples, values) float32 vectors and (examples,) int64 labels of one shard."""
    batches = datasets.iterate(
        datasets.evaluation_dataset(
            [shard], layout=manifest.layout, batch_size=config.evaluation.eval_batch_size
        ),
        manifest.directory,
        lambda: checking.find_first_unreadable([shard], manifest.layout),
    )
    vectors, labels = [], []
    for squares, batch_labels, mask in batches:
        is_example = mask.numpy() > 0
        vectors.append(extract(squares).numpy()[is_example])
        labels.append(batch_labels.numpy()[is_example])
    return np.concatenate(vectors), np.concatenate(labels)


def _shrink(squares: tf.Tensor) -> tf.Tensor:
    """Returns the values of 32x32 thumbnails, in [0, 1]."""
    small = tf.image.resize(squares, [_THUMBNAIL_SIZE, _THUMBNAIL_SIZE], 'area') / 255.0
    return tf.reshape(small, [-1, _THUMBNAIL_SIZE * _THUMBNAIL_SIZE * small.shape[-1]])


# Trained run -> (squares -> vectors), by kind.
_EXTRACTORS = {FEATURES: predictor.build_feature_function, PIXELS: lambda trained: _shrink}
