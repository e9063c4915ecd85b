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

from input_pipeline.batches import balancing, random_bits

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
        copies: (n,) int64: how often the same example came earlier in the epoch; above 0 only where
            classes are balanced.
    """

    records: tf.Tensor
    indices: tf.Tensor
    epochs: tf.Tensor
    positions: tf.Tensor
    mask: tf.Tensor
    copies: tf.Tensor


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
        balanced_labels: The label of each record, (examples,) int64, if every class shall be drawn
            equally often: an epoch then leaves out some examples and repeats others, see
            `balancing.BalancedDraws`. None: an epoch has each example once.
    """

    shards: Shards
    batch_size: int = 1
    seed: int = 0
    reshuffle: bool = True
    group_examples: int = 8192
    tolerant: bool = False
    share: tuple[int, int] = (0, 1)
    balanced_labels: np.ndarray | None = None

    @property
    def num_examples(self) -> int:
        """Number of examples in an epoch, of all shares."""
        return self._draws.num_examples if self._draws else int(self._counts.sum())

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

    @functools.cached_property
    def _draws(self) -> balancing.BalancedDraws | None:
        labels = self.balanced_labels
        return None if labels is None else balancing.BalancedDraws(labels, self.seed)

    def _count_draws(self, epoch):
        """How often an epoch draws records of each shard, and each record; None: once."""
        if not self._draws:
            return tf.constant(self._counts), None
        draws = self._draws.count(epoch)
        owners = np.repeat(np.arange(len(self._counts)), self._counts)
        return tf.math.unsorted_segment_sum(draws, owners, len(self._counts)), draws

    def _find_group(self, epoch: int, skipped: int) -> int:
        """The group that holds the example at position `skipped` of an epoch."""
        number = tf.constant(epoch, tf.int64)
        counts, _ = self._count_draws(number)
        ends = np.cumsum(tf.gather(counts, self._permute_shards(number)))
        return int(np.searchsorted(ends, skipped, 'right')) // self._group_shards

    def _read_group(self, number, start) -> tf.data.Dataset:
        """The chunks of group `number`, counted through all epochs."""
        total = self.num_examples
        epoch, group = number // self._groups, number % self._groups
        permuted = self._permute_shards(epoch)
        counts, draws = self._count_draws(epoch)
        ends = tf.cumsum(tf.gather(counts, permuted))
        last = tf.minimum((group + 1) * self._group_shards, len(self.shards))
        members, end = permuted[group * self._group_shards : last], ends[last - 1]
        begin = end - tf.reduce_sum(tf.gather(counts, members))
        records, indices = _read_shards(self.shards, self._counts, members, self.tolerant)
        order = self._permutation(end - begin, (epoch + 1) * len(self.shards) + group)
        copies = tf.zeros_like(order)
        if draws is not None:
            order, copies = _repeat_rows(order, tf.gather(draws, indices))
        # Examples that were already read fill up the epoch's last batch.
        skipped = tf.where(epoch == start[0], tf.constant(start[1], tf.int64), 0)
        fill = tf.where(group == self._groups - 1, (skipped - total) % self.batch_size, 0)
        order, copies = (
            tf.concat([rows, tf.repeat(tf.concat([[0], rows], 0)[-1:], fill)], 0)
            for rows in (order, copies)
        )
        rest = tf.maximum(skipped - begin, 0)

        def gather_chunk(order, copies, positions):
            # Chunk by chunk: to permute a whole group of records costs a tenth of decoding them.
            return Chunk(
                tf.gather(records, order),
                tf.gather(indices, order),
                tf.fill(tf.shape(order), epoch),
                positions,
                tf.cast(positions < total, tf.float32),
                copies,
            )

        examples = order[rest:], copies[rest:], tf.range(begin, end + fill)[rest:]
        if self.share[1] > 1:
            examples = self._select_share(*examples, skipped)
        return tf.data.Dataset.from_tensor_slices(examples).batch(CHUNK).map(gather_chunk)

    def _select_share(self, order, copies, positions, skipped):
        part, parts = self.share
        rows = self.batch_size // parts
        selected = (positions - skipped) % self.batch_size // rows == part
        return tuple(tf.boolean_mask(each, selected) for each in (order, copies, positions))

    def _permute_shards(self, epoch) -> tf.Tensor:
        return self._permutation(tf.constant(len(self.shards), tf.int64), epoch)

    def _permutation(self, size, stream) -> tf.Tensor:
        """A permutation of range(size), int64, for the seed and a stream of random numbers."""
        if not self.reshuffle:
            return tf.range(size)
        # Hashed: for consecutive keys, TensorFlow makes permutations that resemble each other.
        key = random_bits.make_keys(self.seed, stream, tf.range(2))
        some = tf.maximum(size, 1)  # none cannot be shuffled
        return tf.random.experimental.index_shuffle(tf.range(some), key, some - 1)[:size]


def _repeat_rows(order, draws) -> tuple[tf.Tensor, tf.Tensor]:
    """Repeats each row of a group as often as it is drawn.

    Args:
        order: A permutation of range(sum of draws).
        draws: (rows,) int64.

    Returns:
        The rows in that order, and how often each came before in the order of the rows.
    """
    rows = tf.repeat(tf.range(tf.size(draws, tf.int64)), draws)
    copies = tf.range(tf.size(rows, tf.int64)) - tf.repeat(tf.cumsum(draws, exclusive=True), draws)
    return tf.gather(rows, order), tf.gather(copies, order)


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
