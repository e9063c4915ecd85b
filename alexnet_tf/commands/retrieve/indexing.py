"""Builds and loads the indexes of a run: features of its network or pixels, and their codes."""

import json
import pathlib

import numpy as np
import tensorflow as tf

from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from alexnet_tf.retrieval import binary_codes
from alexnet_tf.retrieval import index as index_lib
from alexnet_tf.runs import loading, predictor
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.records import checking, manifests

FEATURES, PIXELS = 'features', 'pixels'
_ENCODER, _CODES, _KEY_FILE = 'encoder.npz', 'codes.npy', 'codes.json'
_THUMBNAIL_SIZE = 32  # as in Krizhevsky and Hinton 2011


def build_index(
    config: schema.Config,
    trained: loading.TrainedRun,
    *,
    manifest: manifests.Manifest,
    split: str,
    kind: str,
) -> index_lib.Index:
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
    key = {'kind': kind, 'split': split, 'manifest_sha256': manifest.sha256}
    key['variables_sha256'] = trained.variables_sha256 if kind == FEATURES else ''
    writer = index_lib.IndexWriter(directory, **key)
    if not (directory / index_lib.MANIFEST).exists():
        shards, extract = manifest.list_shards(split), _EXTRACTORS[kind](trained)
        _write_parts(config, writer, shards=shards, manifest=manifest, extract=extract)
        classes = loading.name_classes(manifest.classes, manifest.words)
        writer.finish(len(shards), checking.read_names(shards), classes)
    return index_lib.load(directory, **key)


def load_index(
    config: schema.Config, trained: loading.TrainedRun, **expected: str
) -> index_lib.Index:
    """Loads the index of `--database` by a run's features; its records need not exist.

    Args:
        config: Settings of the command.
        trained: The run whose features are indexed.
        expected: More fields of the index's key.

    Raises:
        DataError: There is no index, or it is of another network or other records.
    """
    split = config.retrieve.database
    key = {'kind': FEATURES, 'split': split, 'variables_sha256': trained.variables_sha256}
    return index_lib.load(_index_directory(config, split, FEATURES), **key, **expected)


def _index_directory(config: schema.Config, split: str, kind: str) -> pathlib.Path:
    root = config.retrieve.index_dir or pathlib.Path(config.run_dir) / 'index'
    return pathlib.Path(root) / f'{split}-{kind}'


def _write_parts(config, writer: index_lib.IndexWriter, *, shards, manifest, extract) -> None:
    """Writes the parts that are missing, one for each shard."""
    extract = tf.function(extract, autograph=False, jit_compile=False)
    total, done = sum(examples for _, examples in shards), 0
    with progress.Progress('images') as bar:
        for number, shard in enumerate(shards):
            if not writer.has_part(number):
                writer.write_part(number, *_extract_shard(config, shard, manifest, extract))
            done += shard[1]
            bar.update(done, total)


def _extract_shard(config, shard, manifest, extract):
    """Returns (examples, values) float32 vectors and (examples,) int64 labels of one shard."""
    batch_size = config.evaluation.eval_batch_size
    batches = datasets.iterate_examples(
        [shard], layout=manifest.layout, batch_size=batch_size, data_dir=manifest.directory
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


def build_codes(
    index: index_lib.Index, bits: int, seed: int
) -> tuple[binary_codes.Autoencoder, np.ndarray]:
    """Loads the codes of an index, or trains an autoencoder first if there are none.

    Args:
        index: The index; its codes are kept in its directory.
        bits: Length of a code.
        seed: Seed of the autoencoder.

    Returns:
        The autoencoder and the codes, (examples, bytes) uint8.

    Raises:
        DataError: The codes are damaged, of another index, or by another seed.
    """
    directory = index.directory / f'codes-{bits}'
    coder = binary_codes.Autoencoder(index.vectors.width, bits, seed)
    key = {name: files.compute_sha256(index.directory / name) for name in index_lib.FILES}
    key |= {'bits': bits, 'seed': seed}
    if not (directory / _KEY_FILE).is_file():
        _train_coder(coder, index, directory=directory, key=key)
    saved_key = index_lib.read_json(directory / _KEY_FILE)
    if any(saved_key.get(name) != value for name, value in key.items()):
        raise errors.DataError(
            f'{directory} holds codes of another index, or by another --seed. Delete it.'
        )
    for path in (directory / _ENCODER, directory / _CODES):
        if not path.is_file() or files.compute_sha256(path) != saved_key.get(path.name):
            raise errors.DataError(
                f'{path} was changed after it was written. Delete {directory} and build it again.'
            )
    coder.load(directory / _ENCODER)
    return coder, np.load(directory / _CODES, allow_pickle=False)


def _train_coder(
    coder: binary_codes.Autoencoder, index: index_lib.Index, *, directory: pathlib.Path, key: dict
) -> None:
    with progress.Progress(f'steps of the autoencoder, {key["bits"]} bits') as bar:
        coder.fit(index.vectors, bar.update)
    codes = binary_codes.encode_all(coder, index.vectors)
    coder.save(directory / _ENCODER)
    index_lib.save_array(directory / _CODES, codes)
    hashes = {name: files.compute_sha256(directory / name) for name in (_ENCODER, _CODES)}
    files.write_atomically(directory / _KEY_FILE, json.dumps(key | hashes).encode())
