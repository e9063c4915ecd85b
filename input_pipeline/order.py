"""Which example comes when: a function of (seed, epoch), so that any position can be resumed.

An epoch visits all shards in a permuted order, some of them at a time. Such a group is read
whole and fully shuffled: a restart reads at most one group again, never the epoch, and reading
stays sequential. The order does not depend on cores, parallelism or tuning.
"""

from collections.abc import Sequence

import tensorflow as tf

GROUP_EXAMPLES = 8192  # about 250 MB of 256x256 JPEG records; two groups are held at a time


def shuffled_epoch(
    shards: Sequence[tuple[str, int]], *, seed: int, epoch: tf.Tensor, skip: tf.Tensor
) -> tf.data.Dataset:
    """The records of one epoch in training order.

    Args:
        shards: (path, number of records) of each.
        seed: Of the order.
        epoch: Scalar int64, from 0.
        skip: Scalar int64: how many examples of this epoch were already seen.

    Returns:
        Scalars (record string, index int64): index is the example's place in the data set, from
        0, whatever the order.

    Raises:
        tf.errors.InvalidArgumentError: While iterating, when a shard holds another number of
            records than it should.
    """
    counts = tf.constant([records for _, records in shards], tf.int64)
    group_shards = max(1, GROUP_EXAMPLES // max(records for _, records in shards))
    groups = -(-len(shards) // group_shards)
    permuted = _permutation(len(shards), seed, epoch)
    seen = tf.concat([[0], tf.cumsum(tf.gather(counts, permuted))], 0)  # before each shard
    first = tf.searchsorted(seen, skip[None], side='right', out_type=tf.int64)[0] - 1

    def group(number):
        start = number * group_shards
        records, indices = _read(shards, counts, permuted[start : start + group_shards])
        order = _permutation(tf.size(indices, tf.int64), seed, (epoch + 1) * len(shards) + number)
        order = order[tf.maximum(skip - seen[start], 0) :]
        return tf.gather(records, order), tf.gather(indices, order)

    numbers = tf.data.Dataset.range(first // group_shards, groups)
    whole = numbers.map(group, num_parallel_calls=1, deterministic=True).prefetch(1)
    return whole.flat_map(lambda *each: tf.data.Dataset.from_tensor_slices(each))


def in_file_order(shards: Sequence[tuple[str, int]]) -> tf.data.Dataset:
    """All records, as they are stored: scalars (record string, index int64)."""
    counts = tf.constant([records for _, records in shards], tf.int64)

    def one(shard):
        return tf.data.Dataset.from_tensor_slices(_read(shards, counts, shard[None]))

    return tf.data.Dataset.range(len(shards)).flat_map(one)


def _permutation(size, seed: int, stream) -> tf.Tensor:
    """A permutation of range(size), int64, that (seed, stream) decides."""
    size = tf.cast(size, tf.int64)
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(stream, tf.int64)])
    return tf.random.experimental.index_shuffle(tf.range(size), key, size - 1)


def _read(shards, counts, at):
    """Every record of the shards `at` (int64 vector) and its index in the data set."""
    paths = tf.gather(tf.constant([path for path, _ in shards]), at)
    offsets = tf.gather(tf.cumsum(counts, exclusive=True), at)
    number = tf.reduce_sum(tf.gather(counts, at))
    # One more than there should be, so that a longer shard is noticed as well as a shorter one.
    records = tf.data.TFRecordDataset(paths).batch(number + 1).get_single_element()
    message = 'A shard of this group does not hold the records that the manifest counts.'
    with tf.control_dependencies(
        [tf.debugging.assert_equal(tf.size(records, tf.int64), number, message)]
    ):
        return tf.identity(records), tf.ragged.range(
            offsets, offsets + tf.gather(counts, at)
        ).flat_values
