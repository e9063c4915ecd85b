"""Copies of the network that learn together, each from its share of every batch.

TensorFlow's `MirroredStrategy` keeps one copy on each device of a host,
`MultiWorkerMirroredStrategy` on each device of several hosts.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class One:
    """No copies: one network, on one device or on two for its two columns."""

    number = local = workers = 1
    worker = 0
    chief = True

    def scope(self):
        """In which variables are made."""
        return contextlib.nullcontext()

    def sum(self, tensors: Any) -> Any:
        """The sums over all copies of (nested) tensors; for `run`'s function."""
        return tensors

    def row(self, rows: int) -> int | tf.Tensor:
        """Where in the batch this copy's share of `rows` begins; for `run`'s function."""
        return 0

    def run(self, learn: Callable, batch: Any, *more: tf.Tensor) -> Any:
        """`learn(share, *more)` on each copy with its share of this worker's batch.

        Returns:
            What the first copy here returns; `learn` makes all return the same.
        """
        return learn(batch, *more)

    def total(self, values: Sequence[float]) -> list[float]:
        """The sums over all workers, outside of `run`."""
        return list(values)


class Mirrored(One):
    """Copies on several devices.

    Args:
        strategy: Of TensorFlow, made before any operation ran.
        workers, worker: How many hosts there are, and which this one is.
    """

    def __init__(self, strategy: tf.distribute.Strategy, workers: int = 1, worker: int = 0):
        self._strategy = strategy
        self.number, self.workers, self.worker = strategy.num_replicas_in_sync, workers, worker
        self.local, self.chief = self.number // workers, worker == 0
        self._total = tf.function(self._added, autograph=False)

    def scope(self):
        return self._strategy.scope()

    def sum(self, tensors):
        flat = tf.nest.flatten(tensors)
        added = tf.distribute.get_replica_context().all_reduce('SUM', flat)
        return tf.nest.pack_sequence_as(tensors, added)

    def row(self, rows):
        return tf.distribute.get_replica_context().replica_id_in_sync_group * rows

    def run(self, learn, batch, *more):
        results = self._strategy.run(self._with_share, (learn, batch, *more))
        first = self._strategy.experimental_local_results
        return tf.nest.map_structure(lambda each: first(each)[0], results)

    def total(self, values):
        if self.workers == 1:
            return list(values)
        return self._total(tf.constant(values, tf.float64)).numpy().tolist()

    @tf.autograph.experimental.do_not_convert
    def _with_share(self, learn, batch, *more):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        at = replica % self.local

        def share(whole):
            rows = whole.shape[0] // self.local
            with tf.device('/CPU:0'):  # so that no more than a share is sent to a device
                return whole[at * rows : (at + 1) * rows]

        return learn(tf.nest.map_structure(share, batch), *more)

    def _added(self, values):
        def once(values):
            # One copy of a worker speaks for it.
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = values * tf.cast(replica % self.local == 0, values.dtype)
            return tf.distribute.get_replica_context().all_reduce('SUM', own)

        results = self._strategy.run(once, (values,))
        return self._strategy.experimental_local_results(results)[0]


def make(strategy: str, devices: Sequence[str]) -> One:
    """The copies that a strategy keeps.

    Args:
        strategy: 'mirrored', 'multi_worker', or another for no copies.
        devices: Of the copies on this host; none: all GPUs, or else the CPU.

    Raises:
        ValueError: There is no such cluster as TF_CONFIG says, or its form is another.
    """
    if strategy == 'mirrored':
        return Mirrored(_mirrored(tuple(devices)))
    if strategy == 'multi_worker':
        workers, worker = _cluster()
        return Mirrored(tf.distribute.MultiWorkerMirroredStrategy(), workers, worker)
    return One()


@functools.cache  # two on the same devices would give their sums the same numbers
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices) or None)


def _cluster() -> tuple[int, int]:
    """(number of workers, this one's) of TF_CONFIG."""
    text = os.environ.get('TF_CONFIG', '')
    try:
        config = json.loads(text)
        addresses, task = config['cluster']['worker'], config['task']
        kinds, index = set(config['cluster']), task['index']
        if kinds != {'worker'} or task['type'] != 'worker' or not 0 <= index < len(addresses):
            raise KeyError('worker')
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'TF_CONFIG={text!r}: --strategy=multi_worker wants each host to have one such as '
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}, with an index of its own.'
        ) from error
    return len(addresses), index
