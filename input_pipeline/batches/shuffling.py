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

from input_pipeline.batches import random_bits

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
    share: tuple[int, int] = (0, 1),
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
        share: (i, n): of every batch, the i-th of n equal parts only. All records are read.

    Returns:
        A data set of Chunk.

    Raises:
        tf.errors.InvalidArgumentError: While iterating, when a shard holds another number of
            records than it should.
    """
    groups = _Groups(shards, batch_size, seed, start, reshuffle, group_examples, tolerant, share)
    numbers = tf.data.Dataset.range(groups.first(), epochs * groups.number)
    whole = numbers.map(groups.chunks, num_parallel_calls=1, deterministic=True).prefetch(1)
    return whole.flat_map(lambda chunks: chunks)


class _Groups:
    """The groups of all epochs, counted through; arguments as those of `chunks`."""

    def __init__(self, shards, batch_size, seed, start, reshuffle, group_examples, tolerant, share):
        self._share = share
        self._shards, self._batch_size, self._tolerant = shards, batch_size, tolerant
        self._seed, self._start, self._reshuffle = seed, start, reshuffle
        self._counts = np.array([records for _, records in shards], np.int64)
        self._total = int(self._counts.sum())
        self._size = max(1, group_examples // int(self._counts.max()))  # in shards
        self.number = -(-len(shards) // self._size)  # in an epoch

    def first(self) -> int:
        """The group in which the first example to come stands."""
        epoch, skip = self._start
        ends = np.cumsum(self._counts[self._permuted(tf.constant(epoch, tf.int64)).numpy()])
        return epoch * self.number + int(np.searchsorted(ends, skip, 'right')) // self._size

    @tf.autograph.experimental.do_not_convert  # which would take a third of the time to begin
    def chunks(self, number) -> tf.data.Dataset:
        """The chunks of one group."""
        epoch, at = number // self.number, number % self.number
        permuted = self._permuted(epoch)
        ends = tf.cumsum(tf.gather(self._counts, permuted))
        last = tf.minimum((at + 1) * self._size, len(self._shards))
        own, end = permuted[at * self._size : last], ends[last - 1]
        begin = end - tf.reduce_sum(tf.gather(self._counts, own))
        records, indices = _read(self._shards, self._counts, own, self._tolerant)
        order = self._permutation(end - begin, (epoch + 1) * len(self._shards) + at)
        # Examples that were seen already fill up the epoch's last batch.
        skipped = tf.where(epoch == self._start[0], tf.constant(self._start[1], tf.int64), 0)
        fill = tf.where(at == self.number - 1, (skipped - self._total) % self._batch_size, 0)
        order = tf.concat([order, tf.repeat(order[-1:], fill)], 0)
        left = tf.maximum(skipped - begin, 0)

        def chunk(order, positions):
            # Chunk by chunk: to permute a whole group of records costs a tenth of decoding them.
            return Chunk(
                tf.gather(records, order),
                tf.gather(indices, order),
                tf.fill(tf.shape(order), epoch),
                positions,
                tf.cast(positions < self._total, tf.float32),
            )

        places = order[left:], tf.range(begin, end + fill)[left:]
        if self._share[1] > 1:
            places = self._own(*places, skipped)
        return tf.data.Dataset.from_tensor_slices(places).batch(CHUNK).map(chunk)

    def _own(self, order, positions, skipped):
        """What belongs to the share."""
        part, parts = self._share
        rows = self._batch_size // parts
        own = (positions - skipped) % self._batch_size // rows == part
        return tf.boolean_mask(order, own), tf.boolean_mask(positions, own)

    def _permuted(self, epoch) -> tf.Tensor:
        """The shards in the order of an epoch."""
        return self._permutation(tf.constant(len(self._shards), tf.int64), epoch)

    def _permutation(self, size, stream) -> tf.Tensor:
        """A permutation of range(size), int64, that the seed and `stream` decide."""
        if not self._reshuffle:
            return tf.range(size)
        # Mixed: of keys in a row, TensorFlow makes permutations that resemble each other.
        key = random_bits.keys(self._seed, stream, tf.range(2))
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
