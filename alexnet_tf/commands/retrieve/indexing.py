"""Indexes of records, made by a run's network, or of their pixels."""

import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.predict import predictor
from alexnet_tf.config import schema
from alexnet_tf.reports import progress
from alexnet_tf.retrieval import binary_codes, index
from alexnet_tf.runs import run as runs
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.records import checking

FEATURES, PIXELS = 'features', 'pixels'
_TINY = 32  # side of pictures whose pixels are compared, as in Krizhevsky and Hinton 2011
_ENCODER, _CODES, _SAID = 'encoder.npz', 'codes.npy', 'codes.json'


def directory(config: schema.Config, split: str, kind: str) -> pathlib.Path:
    """Where an index is."""
    root = config.retrieve.index_dir or pathlib.Path(config.run_dir) / 'index'
    return pathlib.Path(root) / f'{split}-{kind}'


def made(config: schema.Config, manifest, network: runs.Run, split: str, kind: str) -> index.Index:
    """The index of a split; what is not there is computed.

    Args:
        config: Of the command.
        manifest: Of the records.
        network: Of the run.
        split: Of the records.
        kind: FEATURES or PIXELS.

    Raises:
        DataError: Another index is there.
    """
    where = directory(config, split, kind)
    identity = index.Identity(
        kind=kind,
        split=split,
        manifest_sha256=manifest.sha256,
        variables_sha256=_weights(network, kind),
    )
    writer = index.Writer(where, identity)
    if not (where / index.MANIFEST).exists():
        _compute(config, manifest, network, split, kind, writer)
    return index.load(where, **dataclasses.asdict(identity))


def standing(
    config: schema.Config, network: runs.Run, split: str, kind: str, **more: str
) -> index.Index:
    """The index of a split, made by this network; records need not be at hand.

    Args:
        config: Of the command.
        network: Of the run.
        split, kind: As of `made`.
        more: Of its identity.

    Raises:
        DataError: There is none, or it is another network's.
    """
    where = directory(config, split, kind)
    found = index.load(
        where, kind=kind, split=split, variables_sha256=_weights(network, kind), **more
    )
    if found.classes != network.names:
        raise errors.DataError(
            f'{where} holds an index of other classes than the network in {network.directory} '
            'knows. Name another --index_dir.'
        )
    return found


def _weights(network: runs.Run, kind: str) -> str:
    return network.variables_sha256 if kind == FEATURES else ''


def _compute(config, manifest, network, split, kind, writer) -> None:
    """One part for each file of records."""
    function = tf.function(
        predictor.features(network) if kind == FEATURES else _tiny,
        autograph=False,
        jit_compile=False,
    )
    shards, total = manifest.shards(split), manifest.examples(split)
    bar, done = progress.Progress(f'{split} pictures, {kind}'), 0
    for number, shard in enumerate(shards):
        if not writer.has(number):
            writer.write(number, *_of_shard(config, manifest, shard, function))
        done += shard[1]
        bar.show(done, total)
    bar.close()
    writer.finish(len(shards), checking.ids(shards), network.names)


def _of_shard(config, manifest, shard, function: Callable):
    """(vectors (records, values) float32, labels (records,) int64) of one file."""
    batches = datasets.read(
        datasets.evaluation(
            [shard], layout=manifest.layout, batch_size=config.evaluation.eval_batch_size
        ),
        manifest.directory,
        lambda: checking.first_unreadable([shard], manifest.layout),
    )
    parts = []
    for squares, labels, mask in batches:
        there = mask.numpy() > 0
        parts.append((function(squares).numpy()[there], labels.numpy()[there]))
    vectors, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    return vectors, labels


def _tiny(squares):
    small = tf.image.resize(squares, [_TINY, _TINY], 'area') / 255.0
    return tf.reshape(small, [-1, _TINY * _TINY * small.shape[-1]])


def coded(
    config: schema.Config, found: index.Index, split: str, kind: str, bits: int
) -> tuple[binary_codes.Autoencoder, np.ndarray]:
    """The autoencoder of an index and the codes of its vectors, learned where they are not there.

    Raises:
        DataError: They are damaged.
    """
    root = directory(config, split, kind)
    where = root / f'codes-{bits}'
    coder = binary_codes.Autoencoder(found.vectors.width, bits, config.seed)
    of = {name: files.sha256(root / name) for name in index.FILES}
    of |= {'bits': bits, 'seed': config.seed}
    if not (where / _SAID).is_file():
        _learn(coder, found, where, of, f'{bits} bits of {kind}')
    said = index.read_json(where / _SAID)
    if any(said.get(name) != value for name, value in of.items()):
        raise errors.DataError(
            f'{where} holds codes of another index, or by another --seed. Delete it.'
        )
    for name in (_ENCODER, _CODES):
        path = where / name
        if not path.is_file() or files.sha256(path) != said.get(name):
            raise errors.DataError(
                f'{path} is not what was written. Delete {where} and make it anew.'
            )
    coder.load(where / _ENCODER)
    return coder, np.load(where / _CODES, allow_pickle=False)


def _learn(coder, found: index.Index, where: pathlib.Path, of: dict, what: str) -> None:
    bar = progress.Progress(f'steps of the autoencoder, {what}')
    coder.learn(found.vectors, bar.show)
    bar.close()
    every = binary_codes.every(coder, found.vectors)
    coder.save(where / _ENCODER)
    with files.atomic_file(where / _CODES) as aside, open(aside, 'wb') as file:
        np.save(file, every)
    said = of | {name: files.sha256(where / name) for name in (_ENCODER, _CODES)}
    files.write_atomically(where / _SAID, json.dumps(said).encode())
