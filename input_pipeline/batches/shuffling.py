"""Reads examples in an order that is a function of (seed, epoch), so that any position resumes.

An epoch visits all shards in a permuted order, a group of them at a time. A group is read whole and
fully shuffled: a restart reads at most one group again, never the epoch, and reading stays
sequential. The order does not depend on cores, parallelism or tuning.

Records come in chunks, since an image's share of a chunk's operations is a fraction of the cost of
operations of its own.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline.batches import random_bits

CHUNK = 32  # decoded images that fit into a core's cache

Shards = Sequence[tuple[str, int]]  # (path, number of records)


class Chunk(NamedTuple):
    """Consecutive examples.

    Attributes:
        records: (n,) string, n at most CHUNK.
        indices: (n,) int64, the examples' indices in the data set, whatever the order.
        epochs: (n,) int64.
        positions: (n,) int64, the examples' positions in the epoch.
        mask: (n,) float32: 0 for an example that was read already and only fills up an epoch.
    """

    records: tf.Tensor
    indices: tf.Tensor
    epochs: tf.Tensor
    positions: tf.Tensor
    mask: tf.Tensor


@dataclasses.dataclass(frozen=True)
class EpochReader:
    """Reads the examples of shards, epoch by epoch.

    Attributes:
        shards: (path, number of records) of each shard.
        batch_size: The rest of each epoch is filled up to a multiple of it, so that no batch holds
            examples of two epochs.
        seed: Seed of the order.
        reshuffle: Whether each epoch has an order of its own; otherwise all have the files' order.
        group_examples: Most examples in a group; two groups are in memory at a time. The order
            depends on this number.
        tolerant: Whether a record that cannot be read becomes an empty string; in a damaged file,
            all records from the damage on.
        share: (i, n): only the i-th of n equal parts of every batch. All records are read.
    """

    shards: Shards
    batch_size: int = 1
    seed: int = 0
    reshuffle: bool = True
    group_examples: int = 8192
    tolerant: bool = False
    share: tuple[int, int] = (0, 1)

    def read_chunks(
        self, *, start: tuple[int, int] = (0, 0), epochs: int | None = 1
    ) -> tf.data.Dataset:
        """Reads the rest of some epochs.

        Args:
            start: The first epoch, from 0, and the number of its examples that were already read.
            epochs: Number of the last epoch, plus one. None: each iteration over the data set reads
                one whole epoch, the first one `start[0]`, and the next one the epoch after it.

        Returns:
            A data set of Chunk.

        Raises:
            tf.errors.InvalidArgumentError: While iterating, when a shard holds another number of
                records than `shards` says.
        """
        if epochs is None:
            numbers = self._count_groups_of_next_epoch(start[0])
        else:
            first = start[0] * self._groups + self._find_group(*start)
            numbers = tf.data.Dataset.range(first, epochs * self._groups)

        @tf.autograph.experimental.do_not_convert  # conversion takes a third of the start-up time
        def read_group(number):
            return self._read_group(number, start)

        chunks = numbers.map(read_group, num_parallel_calls=1, deterministic=True).prefetch(1)
        return chunks.flat_map(lambda chunks: chunks)

    def _count_groups_of_next_epoch(self, first_epoch: int) -> tf.data.Dataset:
        """The groups' numbers, counted through all epochs, of another epoch at each iteration."""
        with tf.device('CPU:0'):
            next_epoch = tf.Variable(first_epoch, dtype=tf.int64, trainable=False)

        @tf.autograph.experimental.do_not_convert
        def count_groups(_):
            # Not two operations, between which another iterator could count.
            first = (next_epoch.assign_add(1, read_value=True) - 1) * self._groups
            return tf.data.Dataset.range(first, first + self._groups)

        numbers = tf.data.Dataset.range(1).flat_map(count_groups)
        numbers.next_epoch = next_epoch  # functions hold variables by weak references only
        return numbers

    @functools.cached_property
    def _counts(self) -> np.ndarray:
        return np.array([records for _, records in self.shards], np.int64)

    @functools.cached_property
    def _group_shards(self) -> int:
        return max(1, self.group_examples // int(self._counts.max()))

    @property
    def _groups(self) -> int:
        """Number of groups in an epoch."""
        return -(-len(self.shards) // self._group_shards)

    def _find_group(self, epoch: int, skipped: int) -> int:
        """The group that holds the example at position `skipped` of an epoch."""
        ends = np.cumsum(self._counts[self._permute_shards(tf.constant(epoch, tf.int64)).numpy()])
        return int(np.searchsorted(ends, skipped, 'right')) // self._group_shards

    def _read_group(self, number, start) -> tf.data.Dataset:
        """The chunks of group `number`, counted through all epochs."""
        total = int(self._counts.sum())
        epoch, group = number // self._groups, number % self._groups
        permuted = self._permute_shards(epoch)
        ends = tf.cumsum(tf.gather(self._counts, permuted))
        last = tf.minimum((group + 1) * self._group_shards, len(self.shards))
        members, end = permuted[group * self._group_shards : last], ends[last - 1]
        begin = end - tf.reduce_sum(tf.gather(self._counts, members))
        records, indices = _read_shards(self.shards, self._counts, members, self.tolerant)
        order = self._permutation(end - begin, (epoch + 1) * len(self.shards) + group)
        # Examples that were already read fill up the epoch's last batch.
        skipped = tf.where(epoch == start[0], tf.constant(start[1], tf.int64), 0)
        fill = tf.where(group == self._groups - 1, (skipped - total) % self.batch_size, 0)
        order = tf.concat([order, tf.repeat(order[-1:], fill)], 0)
        rest = tf.maximum(skipped - begin, 0)

        def gather_chunk(order, positions):
            # Chunk by chunk: to permute a whole group of records costs a tenth of decoding them.
            return Chunk(
                tf.gather(records, order),
                tf.gather(indices, order),
                tf.fill(tf.shape(order), epoch),
                positions,
                tf.cast(positions < total, tf.float32),
            )

        examples = order[rest:], tf.range(begin, end + fill)[rest:]
        if self.share[1] > 1:
            examples = self._select_share(*examples, skipped)
        return tf.data.Dataset.from_tensor_slices(examples).batch(CHUNK).map(gather_chunk)

    def _select_share(self, order, positions, skipped):
        part, parts = self.share
        rows = self.batch_size // parts
        selected = (positions - skipped) % self.batch_size // rows == part
        return tf.boolean_mask(order, selected), tf.boolean_mask(positions, selected)

    def _permute_shards(self, epoch) -> tf.Tensor:
        return self._permutation(tf.constant(len(self.shards), tf.int64), epoch)

    def _permutation(self, size, stream) -> tf.Tensor:
        """A permutation of range(size), int64, for the seed and a stream of random numbers."""
        if not self.reshuffle:
            return tf.range(size)
        # Hashed: for consecutive keys, TensorFlow makes permutations that resemble each other.
        key = random_bits.make_keys(self.seed, stream, tf.range(2))
        return tf.random.experimental.index_shuffle(tf.range(size), key, size - 1)


def _read_shards(shards, counts, selected, tolerant):
    """Every record of the selected shards (int64 vector) and its index in the data set."""
    paths = tf.gather(tf.constant([path for path, _ in shards]), selected)
    sizes = tf.gather(counts, selected)
    offsets = tf.gather(tf.cumsum(counts, exclusive=True), selected)
    indices = tf.ragged.range(offsets, offsets + sizes).flat_values
    total = tf.reduce_sum(sizes)
    if tolerant:
        readable = tf.data.Dataset.from_tensor_slices((paths, sizes)).flat_map(_read_until_damage)
        return readable.batch(total).get_single_element(), indices
    # One more than expected, so that a longer shard is noticed as well as a shorter one.
    records = tf.data.TFRecordDataset(paths).batch(total + 1).get_single_element()
    message = 'A shard of this group does not hold as many records as the manifest counts.'
    with tf.control_dependencies(
        [tf.debugging.assert_equal(tf.size(records, tf.int64), total, message)]
    ):
        return tf.identity(records), indices


def _read_until_damage(path, number):
    missing = tf.data.Dataset.from_tensors('').repeat(number)
    return tf.data.TFRecordDataset(path).ignore_errors().concatenate(missing).take(number)
