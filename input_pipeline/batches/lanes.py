"""Divides the records of a data set into lanes: equal runs of them, each with its own order.

Every lane fills the same number of rows of a batch. A reader of some of the lanes therefore reads
only their share of the records, and the batches do not depend on the number of readers.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline.records import framing

Shards = Sequence[tuple[str, int]]  # (path, number of records)


class Parts(NamedTuple):
    """Runs of consecutive records of some lanes, each in one file.

    Attributes:
        paths: (parts,) string.
        offsets: (parts,) int64: the first record's, in bytes from the start of the file.
        limits: (parts,) int64: how many records to read; one more than the part has if the file
            should end after it, so that a longer file is noticed.
        indices: (parts,) int64: the first record's index in the data set.
        sizes: (parts,) int64: number of records.
        splits: (lanes + 1,) int64: each lane's first part, then the number of all parts.
    """

    paths: np.ndarray
    offsets: np.ndarray
    limits: np.ndarray
    indices: np.ndarray
    sizes: np.ndarray
    splits: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rows:
    """Which rows of a batch belong to a lane: the first `number` rows to the first, and so on.

    Attributes:
        batch_size: Number of rows of a batch.
        lanes: Number of lanes, a divisor of it.
        examples: Number of examples in an epoch, of all lanes.
    """

    batch_size: int
    lanes: int
    examples: int

    @property
    def number(self) -> int:
        """Number of rows of a lane in a batch."""
        return self.batch_size // self.lanes

    def find_positions(self, lane, positions: tf.Tensor) -> tf.Tensor:
        """Converts positions in a lane's part of an epoch to positions in the whole epoch."""
        batches, rows = positions // self.number, positions % self.number
        return batches * self.batch_size + lane * self.number + rows

    def count_missing(self, total: tf.Tensor, skipped: tf.Tensor) -> tf.Tensor:
        """Counts the examples that a lane's last batch lacks.

        Args:
            total: The examples of the lane in an epoch.
            skipped: How many of them were read before the first batch.
        """
        longest = -(-self.examples // self.lanes)  # the longest lane may have one more than others
        return (skipped - longest) % self.number + longest - total


def create_counter() -> tf.Variable:
    """Creates a counter of bytes, () int64."""
    with tf.device('CPU:0'):
        return tf.Variable(0, dtype=tf.int64, trainable=False)


def divide(shards: Shards, lanes: int, selected: Sequence[int] = (0,)) -> Parts:
    """Divides records into lanes of equal sizes, to within one record.

    A shard that lies in two lanes is cut at an offset found from the lengths of preceding records.

    Args:
        shards: (path, number of records) of each shard.
        lanes: Number of lanes, at most the number of records.
        selected: The lanes whose parts to list.

    Returns:
        The parts of the selected lanes, lane by lane in the order of the files.
    """
    ends = np.cumsum([records for _, records in shards])
    rows, splits = [], [0]
    for lane in selected:
        begin, end = (number * int(ends[-1]) // lanes for number in (lane, lane + 1))
        first, last = np.searchsorted(ends, begin, 'right'), np.searchsorted(ends, end, 'left')
        for shard in range(first, last + 1):
            path, records = shards[shard]
            start = int(ends[shard]) - records
            row, stop = max(begin - start, 0), min(end - start, records)
            offset = framing.find_offset(path, row) if row else 0
            limit = stop - row + (stop == records)
            rows.append((path, offset, limit, start + row, stop - row))
        splits.append(len(rows))
    paths, *numbers = zip(*rows, strict=True)
    return Parts(np.array(paths), *np.array(numbers, np.int64), np.array(splits, np.int64))


def list_indices(parts: Parts, selected: tf.Tensor) -> tf.Tensor:
    """Lists the indices in the data set of the records of some parts, (n,) int64."""
    indices, sizes = (tf.gather(column, selected) for column in (parts.indices, parts.sizes))
    return tf.ragged.range(indices, indices + sizes).flat_values


def read_parts(parts: Parts, selected: tf.Tensor, *, tolerant: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads every record of some parts.

    Args:
        parts: The parts of all lanes.
        selected: Which of them, int64 vector.
        tolerant: Whether a record that cannot be read becomes an empty string; in a damaged file,
            all records from the damage on.

    Returns:
        The records, (n,) string, and their indices in the data set, (n,) int64.

    Raises:
        tf.errors.InvalidArgumentError: The files hold another number of records. In a graph: when
            it runs.
    """
    paths, offsets, limits, sizes = (
        tf.gather(tf.constant(column), selected)
        for column in (parts.paths, parts.offsets, parts.limits, parts.sizes)
    )
    indices = list_indices(parts, selected)
    total = tf.reduce_sum(sizes)
    if tolerant:
        places = tf.data.Dataset.from_tensor_slices((paths, offsets, sizes))
        return places.flat_map(_read_until_damage).batch(total).get_single_element(), indices
    places = tf.data.Dataset.from_tensor_slices((paths, offsets, limits))
    records = places.flat_map(_read_part).batch(total + 1).get_single_element()
    message = 'A shard of this group does not hold as many records as the manifest counts.'
    with tf.control_dependencies(
        [tf.debugging.assert_equal(tf.size(records, tf.int64), total, message)]
    ):
        return tf.identity(records), indices


def count_bytes(records: tf.Tensor) -> tf.Tensor:
    """Counts the bytes of records, (n,) string, in their files; () int64."""
    lengths = tf.cast(tf.strings.length(records), tf.int64)
    return tf.reduce_sum(lengths) + framing.FRAME_BYTES * tf.size(records, tf.int64)


@tf.autograph.experimental.do_not_convert
def _read_part(path, offset, limit) -> tf.data.Dataset:
    # `tf.data.TFRecordDataset` takes no offset, and to skip records it reads them.
    records = tf.raw_ops.TFRecordDatasetV2(
        filenames=path,
        compression_type='',
        buffer_size=tf.constant(-1, tf.int64),  # the default
        byte_offsets=offset,
    )
    return tf.data.experimental.from_variant(records, tf.TensorSpec([], tf.string)).take(limit)


@tf.autograph.experimental.do_not_convert
def _read_until_damage(path, offset, number) -> tf.data.Dataset:
    missing = tf.data.Dataset.from_tensors('').repeat(number)
    return _read_part(path, offset, number).ignore_errors().concatenate(missing).take(number)
