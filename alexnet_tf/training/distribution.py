"""Replicas of the network that train together, each on its share of every batch.

TensorFlow's `MirroredStrategy` keeps one replica on each device of a host, and
`MultiWorkerMirroredStrategy` on each device of several hosts, whose processes are the workers.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from alexnet_tf.training import cluster as cluster_lib
from alexnet_tf.training import heartbeats as heartbeats_lib
from alexnet_tf.training import signals
from input_pipeline import errors

_BYTES_PER_PACK = 32 << 20
_BROKEN_CLUSTER = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


class SingleReplica:
    """The only replica of a network, on one device, or on two for its two columns.

    Attributes:
        number: Replicas of all workers.
        workers: Number of workers.
        worker: Index of this worker.
        is_chief: Whether this worker writes the run directory.
        heartbeats: Heartbeats between the workers; None if there are no others.
    """

    number = workers = 1
    worker = 0
    is_chief = True
    heartbeats: heartbeats_lib.Heartbeats | None = None

    def scope(self) -> contextlib.AbstractContextManager:
        """Returns the context in which variables must be created."""
        return contextlib.nullcontext()

    def sum(self, tensors: Any) -> Any:
        """Sums (nested) tensors over all replicas; only inside the function given to `run`."""
        return tensors

    def sum_gradients(self, gradients: Any, metrics: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """Sums gradients and metrics over all replicas."""
        return gradients, metrics

    def first_row(self, rows: int) -> int | tf.Tensor:
        """Returns the row of the batch that this replica's share of `rows` starts at.

        Only inside the function given to `run`.
        """
        return 0

    def run(self, function: Callable, batch: Any, *arguments: tf.Tensor) -> Any:
        """Calls `function(share, *arguments)` on each replica with its share of the batch.

        Args:
            function: Must return the same on every replica.
            batch: This worker's part of the batch.
            arguments: The same for all replicas.

        Returns:
            The result of this worker's first replica.
        """
        return function(batch, *arguments)

    def sum_over_workers(self, values: Sequence[float]) -> list[float]:
        """Sums numbers over all workers; only outside of `run`."""
        return list(values)

    def finish_saving(self) -> contextlib.AbstractContextManager:
        """Returns the context in which this process is not ended because of a lost worker."""
        return self.heartbeats.saving if self.heartbeats else contextlib.nullcontext()


class MirroredReplicas(SingleReplica):
    """Replicas on several devices.

    Args:
        strategy: TensorFlow's strategy, created before any operation ran.
        cluster: The workers; None if there is only this one.
        heartbeats: Heartbeats between the workers.
        reduce_dtype: The dtype in which gradients are summed.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        *,
        cluster: cluster_lib.Cluster | None = None,
        heartbeats: heartbeats_lib.Heartbeats | None = None,
        reduce_dtype: str = 'float32',
    ):
        self._strategy, self.heartbeats = strategy, heartbeats
        self._reduce_dtype = tf.as_dtype(reduce_dtype)
        self.number = strategy.num_replicas_in_sync
        if cluster:
            self.workers, self.worker = len(cluster.addresses), cluster.index
        self._local, self.is_chief = self.number // self.workers, self.worker == 0
        self._sum_over_workers = tf.function(self._sum_first_replicas, autograph=False)

    def scope(self):
        """Returns the strategy's scope."""
        return self._strategy.scope()

    def sum(self, tensors):
        """Sums (nested) tensors over all replicas."""
        flat, options = tf.nest.flatten(tensors), None
        if self.workers > 1:  # the first gradients are sent while the others are computed
            options = tf.distribute.experimental.CommunicationOptions(_BYTES_PER_PACK)
        sums = tf.distribute.get_replica_context().all_reduce('SUM', flat, options)
        return tf.nest.pack_sequence_as(tensors, sums)

    def sum_gradients(self, gradients, metrics):
        """Sums gradients, in `reduce_dtype`, and metrics over all replicas."""
        if self._reduce_dtype == tf.float32:
            return self.sum((gradients, metrics))  # at once
        rounded = [tf.cast(gradient, self._reduce_dtype) for gradient in gradients]
        sums = [tf.cast(total, tf.float32) for total in self.sum(rounded)]
        return sums, self.sum(metrics)

    def first_row(self, rows):
        """Returns the row of the batch that this replica's share of `rows` starts at."""
        return tf.distribute.get_replica_context().replica_id_in_sync_group * rows

    def run(self, function, batch, *arguments):
        """Calls `function(share, *arguments)` on each replica with its share of the batch."""
        results = self._strategy.run(self._call_with_share, (function, batch, *arguments))
        local = self._strategy.experimental_local_results
        return tf.nest.map_structure(lambda result: local(result)[0], results)

    def sum_over_workers(self, values):
        """Sums numbers over all workers; only outside of `run`."""
        if self.workers == 1:
            return list(values)
        return self._sum_over_workers(tf.constant(values, tf.float64)).numpy().tolist()

    @tf.autograph.experimental.do_not_convert
    def _call_with_share(self, function, batch, *arguments):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        index = replica % self._local

        def take_share(tensor):
            rows = tensor.shape[0] // self._local
            with tf.device('/CPU:0'):  # so that no more than a share is sent to a device
                return tensor[index * rows : (index + 1) * rows]

        return function(tf.nest.map_structure(take_share, batch), *arguments)

    def _sum_first_replicas(self, values):
        def sum_replicas(values):
            # Only one replica of each worker contributes.
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = values * tf.cast(replica % self._local == 0, values.dtype)
            return tf.distribute.get_replica_context().all_reduce('SUM', own)

        results = self._strategy.run(sum_replicas, (values,))
        return self._strategy.experimental_local_results(results)[0]


def create_replicas(
    strategy: str,
    devices: Sequence[str],
    *,
    worker_timeout_secs: float = 120.0,
    collective: str = 'auto',
    reduce_dtype: str = 'float32',
) -> SingleReplica:
    """Creates the replicas of a strategy.

    Args:
        strategy: 'mirrored', 'multi_worker', or anything else for a single replica.
        devices: Devices of the replicas of 'mirrored'; by default all GPUs, or else the CPU.
        worker_timeout_secs: Seconds to wait for the other workers, at first and later.
        collective: The collectives between workers: 'ring', 'nccl' or 'auto'.
        reduce_dtype: The dtype in which gradients are summed.

    Raises:
        ValueError: Nothing describes a cluster, its hosts have different numbers of GPUs, or
            TensorFlow has started before.
        PeerDisconnected: Other workers did not come.
    """
    if strategy == 'mirrored':
        mirrored = _create_mirrored_strategy(tuple(devices))
        return MirroredReplicas(mirrored, reduce_dtype=reduce_dtype)
    if strategy == 'multi_worker':
        cluster, heartbeats = cluster_lib.find_cluster(), None
        if len(cluster.addresses) > 1:
            cluster_lib.check_not_started()
            gpus = cluster_lib.count_gpus()
            heartbeats = heartbeats_lib.Heartbeats(cluster, worker_timeout_secs, gpus=gpus)
            try:
                heartbeats.wait_for_all()
            except BaseException:
                heartbeats.close()  # a program may try again
                raise
        return MirroredReplicas(
            cluster.create_strategy(collective),
            cluster=cluster,
            heartbeats=heartbeats,
            reduce_dtype=reduce_dtype,
        )
    return SingleReplica()


@functools.cache  # two strategies on the same devices would use the same keys for their sums
def _create_mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices) or None)


def agree_on_stop(replicas: SingleReplica, stop: signals.StopRequest) -> int | None:
    """Returns the stop signal of any worker; all workers return the same after the same step."""
    if replicas.workers == 1:
        return stop.number if stop else None
    flags = [float(stop.number == number) for number in signals.STOP_SIGNALS]
    requests = replicas.sum_over_workers(flags)
    counts = zip(signals.STOP_SIGNALS, requests, strict=True)
    return next((number for number, count in counts if count), None)


def check_same_everywhere(replicas: SingleReplica, digests: Mapping[str, int]) -> None:
    """Checks that all workers were started alike.

    Args:
        replicas: The replicas of all workers.
        digests: Description -> a number below 2**40, which must be the same on all workers.

    Raises:
        DataError: On every worker, if some number differs.
    """
    if replicas.workers == 1:
        return
    sums = replicas.sum_over_workers([float(digest) for digest in digests.values()])
    differing = [
        name
        for (name, digest), total in zip(digests.items(), sums, strict=True)
        if total != replicas.workers * digest
    ]
    if any(replicas.sum_over_workers([float(bool(differing))])):
        names = ', '.join(differing) or 'see the messages of the others'
        raise errors.DataError(
            f'the workers of this cluster were started differently ({names}). Give all of them '
            'the same flags, versions and records, and a --run_dir that all of them see.'
        )


@contextlib.contextmanager
def report_disconnected_peers(replicas: SingleReplica) -> Iterator[None]:
    """Turns TensorFlow's errors about a broken cluster into `PeerDisconnected`.

    Heartbeats send the other workers how the block ended.
    """
    if not replicas.heartbeats:
        yield
        return
    with replicas.heartbeats:
        try:
            yield
        except tf.errors.OpError as error:
            explained = replicas.heartbeats.explain(error)  # ends the process if one is lost
            if isinstance(error, _BROKEN_CLUSTER):
                raise explained from error
            raise
