"""Reads examples in an order that is a function of (seed, epoch), so that any position resumes.

An epoch visits all shards in a permuted order, a group of them at a time. A group is read whole and
fully shuffled: a restart reads at most one group again, never the epoch, and reading stays
sequential. The order does not depend on cores, parallelism or tuning. With several lanes each has
such an order of its own.

Records come in chunks, since operations on a chunk cost each image a fraction of what its own
operations would cost.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline.batches import balancing, random_bits
from input_pipeline.batches import lanes as lanes_lib
from input_pipeline.batches import raw_places as raw_places_lib

CHUNK = 32  # decoded images that fit into a core's cache


class Chunk(NamedTuple):
    """Consecutive examples.

    Attributes:
        records: (n,) string, n at most CHUNK; or the places of raw images, (n, 3) int64.
        indices: (n,) int64, the examples' indices in the data set, whatever the order.
        epochs: (n,) int64.
        positions: (n,) int64, the examples' positions in the epoch.
        mask: (n,) float32: 0 for an example that was read already and only fills up an epoch.
        copies: (n,) int64: how often the same example came earlier in the epoch; above 0 only if
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
        group_examples: Most examples in a group, unless a shard has more; two groups of each lane
            are in memory at a time. The order depends on this number.
        tolerant: Whether a record that cannot be read becomes an empty string; in a damaged file,
            all records from the damage on.
        share: (i, n): only the i-th of n equal parts of every batch. A single lane is read whole;
            of several lanes only those of this part are read, if n divides their number.
        balanced_labels: The label of each record, (examples,) int64, if every class shall be drawn
            equally often: an epoch then leaves out some examples and repeats others, see
            `balancing.BalancedDraws`. None: an epoch has each example once. Only with one lane.
        lanes: Number of lanes, see `lanes.divide`; it divides `batch_size`. A batch's first rows
            come from the first lane, as many from the next one, and so on.
        bytes_read: Counts the bytes of the records that were read, () int64.
        raw_places: Finds the places of raw images, which chunks then have instead of records.
    """

    shards: lanes_lib.Shards
    batch_size: int = 1
    seed: int = 0
    reshuffle: bool = True
    group_examples: int = 8192
    tolerant: bool = False
    share: tuple[int, int] = (0, 1)
    balanced_labels: np.ndarray | None = None
    lanes: int = 1
    bytes_read: tf.Variable | None = None
    raw_places: raw_places_lib.RawPlaces | None = None

    @property
    def num_examples(self) -> int:
        """Number of examples in an epoch, of all shares."""
        if self._draws:
            return self._draws.num_examples
        return sum(records for _, records in self.shards)

    def read_chunks(
        self, *, start: tuple[int, int] = (0, 0), epochs: int | None = 1
    ) -> tf.data.Dataset:
        """Reads the rest of some epochs.

        Args:
            start: The first epoch, from 0, and the number of its examples that were already read:
                with several lanes, whole batches.
            epochs: Number of the last epoch, plus one. None: each iteration over the data set reads
                one whole epoch, the first one `start[0]`, and the next one the epoch after it; only
                with one lane.

        Returns:
            A data set of Chunk.

        Raises:
            tf.errors.InvalidArgumentError: While iterating, when a shard holds another number of
                records than `shards` says.
        """
        if self.lanes == 1:
            if epochs is None:
                return self._read_lane(0, self._count_groups_of_next_epoch(start[0]), start)
            numbers = tf.data.Dataset.range(*self._find_span(0, start, epochs))
            return self._read_lane(0, numbers, start)
        return self.read_lanes(tf.constant(self.list_places(start, epochs))).rebatch(CHUNK)

    def list_places(self, start: tuple[int, int], epochs: int) -> np.ndarray:
        """Lists where the reading of each lane starts and ends, for `read_lanes`.

        Args:
            start: See `read_chunks`.
            epochs: Number of the last epoch, plus one.

        Returns:
            (lanes, 5) int64, of the lanes of this share.
        """
        own = range(len(self._own_lanes))
        rows = [(lane, *self._find_span(lane, start, epochs), *start) for lane in own]
        return np.array(rows, np.int64)

    def read_lanes(self, places: tf.Tensor) -> tf.data.Dataset:
        """Reads the rest of some epochs of consecutive lanes, also in a graph.

        Args:
            places: (lanes, 5) int64, rows of `list_places`.

        Returns:
            A data set of Chunk: a batch's rows of the first lane, of the next one, and so on.
        """

        @tf.autograph.experimental.do_not_convert
        def read_lane(place):
            lane, first, last, *start = tf.unstack(place)
            chunks = self._read_lane(lane, tf.data.Dataset.range(first, last), start)
            return chunks.rebatch(self._rows.number)

        lanes = tf.data.Dataset.from_tensor_slices(places)
        return lanes.interleave(read_lane, cycle_length=places.shape[0])

    def _read_lane(self, lane, numbers: tf.data.Dataset, start) -> tf.data.Dataset:
        """Reads the chunks of a lane, given the numbers of its groups."""
        if self._draws:
            numbers = self._draws.add_counts(numbers, tf.gather(self._groups, lane))

        @tf.autograph.experimental.do_not_convert  # conversion takes a third of the start-up time
        def read_group(number, draws=None):
            return self._read_group(lane, number, start, draws)

        chunks = numbers.map(read_group, num_parallel_calls=1, deterministic=True).prefetch(1)
        return chunks.flat_map(lambda chunks: chunks)

    def _find_span(self, lane: int, start, epochs: int) -> tuple[int, int]:
        """Finds the range of a lane's groups to read, numbered through all epochs: (first, end)."""
        groups = int(self._groups[lane])
        return start[0] * groups + self._find_group(lane, *start), epochs * groups

    def _count_groups_of_next_epoch(self, first_epoch: int) -> tf.data.Dataset:
        """Lists the groups of the next epoch at each iteration, numbered through all epochs."""
        with tf.device('CPU:0'):
            next_epoch = tf.Variable(first_epoch, dtype=tf.int64, trainable=False)

        @tf.autograph.experimental.do_not_convert
        def count_groups(_):
            # Not two operations, between which another iterator could count.
            groups = self._groups[0]
            first = (next_epoch.assign_add(1, read_value=True) - 1) * groups
            return tf.data.Dataset.range(first, first + groups)

        numbers = tf.data.Dataset.range(1).flat_map(count_groups)
        numbers.next_epoch = next_epoch  # functions hold variables by weak references only
        return numbers

    @property
    def _own_lanes(self) -> range:
        """The lanes that are read."""
        part, parts = self.share if self.lanes > 1 else (0, 1)
        return range(part * self.lanes // parts, (part + 1) * self.lanes // parts)

    @property
    def _rows(self) -> lanes_lib.Rows:
        return lanes_lib.Rows(self.batch_size, self.lanes, self.num_examples)

    @functools.cached_property
    def _parts(self) -> lanes_lib.Parts:
        return lanes_lib.divide(self.shards, self.lanes, self._own_lanes)

    @functools.cached_property
    def _group_parts(self) -> int:
        sizes = [records for _, records in self.shards]
        longest = min(max(sizes), -(-sum(sizes) // self.lanes))  # part of any lane, of all shares
        return max(1, self.group_examples // longest)

    @property
    def _groups(self) -> np.ndarray:
        """Number of groups in an epoch of each lane, int64."""
        return -(-np.diff(self._parts.splits) // self._group_parts)

    @functools.cached_property
    def _draws(self) -> balancing.BalancedDraws | None:
        labels = self.balanced_labels
        return None if labels is None else balancing.BalancedDraws(labels, self.seed)

    def _count_in_parts(self, draws) -> tf.Tensor:
        """Counts how often an epoch draws records of each part."""
        if draws is None:  # each record once
            return tf.constant(self._parts.sizes)
        owners = np.repeat(np.arange(len(self._parts.sizes)), self._parts.sizes)
        return tf.math.unsorted_segment_sum(draws, owners, len(self._parts.sizes))

    def _find_group(self, lane: int, epoch: int, skipped: int) -> int:
        """Finds the group of a lane at which an epoch continues after its first examples."""
        number = tf.constant(epoch, tf.int64)
        counts = self._count_in_parts(self._draws.count(number) if self._draws else None)
        ends = np.cumsum(tf.gather(counts, self._permute_parts(lane, number)))
        group = np.searchsorted(ends, skipped // self.lanes, 'right') // self._group_parts
        # The filler of a lane's last batch belongs to the last group.
        return int(min(group, self._groups[lane] - 1))

    def _read_group(self, lane, number, start, draws) -> tf.data.Dataset:
        """Reads the chunks of a lane's group `number`, counted through all epochs."""
        groups = tf.gather(self._groups, lane)
        epoch, group = number // groups, number % groups
        permuted = self._permute_parts(lane, epoch)
        counts = self._count_in_parts(draws)
        ends = tf.cumsum(tf.gather(counts, permuted))
        total, parts = ends[-1], tf.size(permuted, tf.int64)
        last = tf.minimum((group + 1) * self._group_parts, parts)
        members, end = permuted[group * self._group_parts : last], ends[last - 1]
        begin = end - tf.reduce_sum(tf.gather(counts, members))
        records, indices = self._read_parts(members)
        order = self._permutation(lane, end - begin, (epoch + 1) * parts + group)
        copies = tf.zeros_like(order)
        if draws is not None:
            order, copies = balancing.repeat_rows(order, tf.gather(draws, indices))
        skipped = tf.where(epoch == start[0], tf.cast(start[1] // self.lanes, tf.int64), 0)
        fill = tf.where(group == groups - 1, self._rows.count_missing(total, skipped), 0)
        order, copies = _add_first(order, fill), _add_first(copies, fill)
        rest = tf.maximum(skipped - begin, 0)

        def gather_chunk(order, copies, positions):
            # Chunk by chunk: to permute a whole group of records costs a tenth of decoding them.
            return Chunk(
                tf.gather(records, order),
                tf.gather(indices, order),
                tf.fill(tf.shape(order), epoch),
                self._rows.find_positions(self._own_lanes.start + lane, positions),
                tf.cast(positions < total, tf.float32),
                copies,
            )

        examples = order[rest:], copies[rest:], tf.range(begin, end + fill)[rest:]
        if self.lanes == 1 and self.share[1] > 1:
            examples = self._select_share(*examples, skipped)
        return tf.data.Dataset.from_tensor_slices(examples).batch(CHUNK).map(gather_chunk)

    def _read_parts(self, selected) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads the records of some parts, or the places of their images, and their indices."""
        if self.raw_places:
            records, indices = self.raw_places.find(self._parts, selected)
            size = self.raw_places.count_bytes(records)
        else:
            records, indices = lanes_lib.read_parts(self._parts, selected, tolerant=self.tolerant)
            size = lanes_lib.count_bytes(records)
        if self.bytes_read is not None:
            self.bytes_read.assign_add(size)
        return records, indices

    def _select_share(self, order, copies, positions, skipped):
        part, parts = self.share
        rows = self.batch_size // parts
        selected = (positions - skipped) % self.batch_size // rows == part
        return tuple(tf.boolean_mask(values, selected) for values in (order, copies, positions))

    def _permute_parts(self, lane, epoch) -> tf.Tensor:
        """Lists the parts of a lane in the order of an epoch, as indices into all parts."""
        first, last = tf.gather(self._parts.splits, lane), tf.gather(self._parts.splits, lane + 1)
        return first + self._permutation(lane, last - first, epoch)

    def _permutation(self, lane, size, stream) -> tf.Tensor:
        """Returns a permutation of range(size), int64, for the seed, a lane and a stream."""
        if not self.reshuffle:
            return tf.range(size)
        lanes = (self._own_lanes.start + lane,) if self.lanes > 1 else ()
        return random_bits.permute(size, self.seed, *lanes, stream)


def _add_first(rows, number) -> tf.Tensor:
    """Appends the first rows again, or zeros if none: copies of one row have no variance."""
    which = tf.range(number) % tf.maximum(tf.size(rows, tf.int64), 1)
    return tf.concat([rows, tf.gather(tf.concat([rows, [0]], 0), which)], 0)
