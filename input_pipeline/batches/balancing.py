"""Draws every class equally often in an epoch, as a function of (seed, epoch)."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from input_pipeline.batches import random_bits

_STREAM = -1  # of random numbers; those of the order of shards and groups are not negative


@dataclasses.dataclass(frozen=True, eq=False)
class BalancedDraws:
    """Counts how often an epoch draws each example, so that it draws every class equally often.

    The examples of a class are drawn in one permuted pass after the other, across epochs: no
    example is drawn again before all others of its class have been. For a class with many examples
    an epoch is part of a pass; for one with few, it is several passes.

    Attributes:
        labels: (examples,) int64, in the order of the files. A class without examples is not drawn.
        seed: Seed of the passes' orders.
    """

    labels: np.ndarray
    seed: int = 0

    @functools.cached_property
    def num_classes(self) -> int:
        """Number of classes that have examples."""
        return len(np.unique(self.labels))

    @property
    def per_class(self) -> int:
        """Number of draws of each class in an epoch, so that it is as long as the data set."""
        return len(self.labels) // self.num_classes

    @property
    def num_examples(self) -> int:
        """Number of draws in an epoch: at most as many as there are examples."""
        return self.num_classes * self.per_class

    def count(self, epoch: tf.Tensor) -> tf.Tensor:
        """Counts the draws of each example in an epoch, (examples,) int64.

        Args:
            epoch: Scalar int64.
        """
        first = tf.cast(epoch, tf.int64) * self.per_class
        return self._count_before(first + self.per_class) - self._count_before(first)

    def add_counts(self, numbers: tf.data.Dataset, groups: tf.Tensor) -> tf.data.Dataset:
        """Adds to each group number the `count` of its epoch, computed once per epoch.

        Args:
            numbers: Consecutive numbers, scalar int64, counted through all epochs.
            groups: Number of groups in an epoch, scalar int64.

        Returns:
            A data set of (number, count).
        """

        @tf.autograph.experimental.do_not_convert
        def add_count(state, number):
            counted, draws = state
            epoch = number // groups
            draws = tf.cond(epoch == counted, lambda: draws, lambda: self.count(epoch))
            return (epoch, draws), (number, draws)

        nothing = tf.constant(-1, tf.int64), tf.zeros([len(self.labels)], tf.int64)
        return numbers.scan(nothing, add_count)

    def _count_before(self, draws: tf.Tensor) -> tf.Tensor:
        """Counts how often each example is among the first draws of its class."""
        ranks, sizes = self._ranks
        passes, rest = draws // sizes, draws % sizes
        keys = random_bits.make_keys(self.seed, _STREAM, self.labels, passes)
        seeds = tf.stack([random_bits.make_keys(keys, part) for part in range(3)], 1)
        # The public `index_shuffle` takes one seed for all, although it documents many.
        places = tf.raw_ops.RandomIndexShuffle(index=ranks, seed=seeds, max_index=sizes - 1)
        return passes + tf.cast(places < rest, tf.int64)

    @functools.cached_property
    def _ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns each example's rank in its class and that class's size, (examples,) int64."""
        order = np.argsort(self.labels, kind='stable')
        counts = np.bincount(self.labels)
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        return ranks, counts[self.labels].astype(np.int64)


def repeat_rows(order: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Repeats each row of a group as often as it is drawn.

    Args:
        order: A permutation of range(sum of draws).
        draws: (rows,) int64.

    Returns:
        The rows in that order, and for each which copy of its row it is, from 0.
    """
    rows = tf.repeat(tf.range(tf.size(draws, tf.int64)), draws)
    copies = tf.range(tf.size(rows, tf.int64)) - tf.repeat(tf.cumsum(draws, exclusive=True), draws)
    return tf.gather(rows, order), tf.gather(copies, order)
