"""Which example comes when: a function of (seed, epoch), so that any position can be resumed.

An epoch visits all shards in a permuted order, some of them at a time. Such a group is read
whole and fully shuffled: a restart reads at most one group again, never the epoch, and reading
stays sequential. The order does not depend on cores, parallelism or tuning.

Records come in chunks, for a picture's share of a chunk's operations is a fraction of what
operations of its own would cost.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

CHUNK = 32  # pictures that stay in a core's cache, decoded

Shards = Sequence[tuple[str, int]]


class Chunk(NamedTuple):
    """Some examples in a row.

    Attributes:
        records: (n,) string, n at most CHUNK.
        indices: (n,) int64, the examples' places in the data set, whatever the order.
        epochs: (n,) int64.
        positions: (n,) int64, their places in the epoch.
        mask: (n,) float32: 0 where an example was seen already and only fills up an epoch.
    """

    records: tf.Tensor
    indices: tf.Tensor
    epochs: tf.Tensor
    positions: tf.Tensor
    mask: tf.Tensor


def chunks(
    shards: Shards,
    *,
    batch_size: int = 1,
    seed: int = 0,
    start: tuple[int, int] = (0, 0),
    epochs: int = 1,
    reshuffle: bool = True,
    group_examples: int = 8192,
    tolerant: bool = False,
) -> tf.data.Dataset:
    """The examples of some epochs in training order.

    Args:
        shards: (path, number of records) of each.
        batch_size: What remains of each epoch is filled up to a multiple of it, so that no batch
            holds examples of two epochs.
        seed: Of the order.
        start: The first epoch, from 0, and how many examples of it were already seen.
        epochs: The number of the last epoch, plus one.
        reshuffle: Whether there is a new order each epoch; otherwise all have the files'.
        group_examples: Most examples of a group; two groups are held at a time. The order is
            another where this number is.
        tolerant: Give an empty string for each record that cannot be read: of a damaged file, all
            from the damage on.

    Returns:
        A data set of Chunk.

    Raises:
        tf.errors.InvalidArgumentError: While iterating, when a shard holds another number of
            records than it should.
    """
    counts = np.array([records for _, records in shards], np.int64)
    total, group_shards = int(counts.sum()), max(1, group_examples // int(counts.max()))
    groups = -(-len(shards) // group_shards)
    first_epoch, skip = start

    def permutation(size, stream):
        return _permutation(size, seed, stream) if reshuffle else tf.range(size)

    def group(number):
        """The chunks of group `number`, counted through all epochs."""
        epoch, at = number // groups, number % groups
        skipped = tf.where(epoch == first_epoch, tf.constant(skip, tf.int64), 0)
        permuted = permutation(tf.constant(len(shards), tf.int64), epoch)
        ends = tf.cumsum(tf.gather(counts, permuted))
        last = tf.minimum((at + 1) * group_shards, len(shards))
        own = permuted[at * group_shards : last]
        end = ends[last - 1]
        begin = end - tf.reduce_sum(tf.gather(counts, own))
        records, indices = _read(shards, counts, own, tolerant)
        order = permutation(end - begin, (epoch + 1) * len(shards) + at)
        fill = tf.where(at == groups - 1, (skipped - total) % batch_size, 0)
        order = tf.concat([order, tf.repeat(order[-1:], fill)], 0)
        positions = tf.range(begin, end + fill)
        left = tf.maximum(skipped - begin, 0)

        def chunk(order, positions):
            # Chunk by chunk: to permute a whole group of records costs a tenth of decoding them.
            return Chunk(
                tf.gather(records, order),
                tf.gather(indices, order),
                tf.fill(tf.shape(order), epoch),
                positions,
                tf.cast(positions < total, tf.float32),
            )

        return (
            tf.data.Dataset.from_tensor_slices((order[left:], positions[left:]))
            .batch(CHUNK)
            .map(chunk)
        )

    numbers = tf.data.Dataset.range(first_epoch * groups, epochs * groups)
    if skip:
        numbers = numbers.skip(_group_of(skip, counts, group_shards, permutation, first_epoch))
    whole = numbers.map(group, num_parallel_calls=1, deterministic=True).prefetch(1)
    return whole.flat_map(lambda chunks: chunks)


def _group_of(position: int, counts, group_shards: int, permutation, epoch: int) -> int:
    """The group of an epoch in which an example stands."""
    permuted = permutation(tf.constant(len(counts), tf.int64), tf.constant(epoch, tf.int64))
    ends = np.cumsum(counts[permuted.numpy()])
    return int(np.searchsorted(ends, position, side='right')) // group_shards


def _permutation(size, seed: int, stream) -> tf.Tensor:
    """A permutation of range(size), int64, that (seed, stream) decides."""
    size = tf.cast(size, tf.int64)
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(stream, tf.int64)])
    return tf.random.experimental.index_shuffle(tf.range(size), key, size - 1)


def _read(shards, counts, at, tolerant):
    """Every record of the shards `at` (int64 vector) and its index in the data set."""
    paths = tf.gather(tf.constant([path for path, _ in shards]), at)
    own = tf.gather(counts, at)
    offsets = tf.gather(tf.cumsum(counts, exclusive=True), at)
    indices = tf.ragged.range(offsets, offsets + own).flat_values
    number = tf.reduce_sum(own)
    if tolerant:
        each = tf.data.Dataset.from_tensor_slices((paths, own)).flat_map(_whatever_is_there)
        return each.batch(number).get_single_element(), indices
    # One more than there should be, so that a longer shard is noticed as well as a shorter one.
    records = tf.data.TFRecordDataset(paths).batch(number + 1).get_single_element()
    message = 'A shard of this group does not hold the records that the manifest counts.'
    with tf.control_dependencies(
        [tf.debugging.assert_equal(tf.size(records, tf.int64), number, message)]
    ):
        return tf.identity(records), indices


def _whatever_is_there(path, number):
    missing = tf.data.Dataset.from_tensors('').repeat(number)
    return tf.data.TFRecordDataset(path).ignore_errors().concatenate(missing).take(number)
