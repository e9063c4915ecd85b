"""What the workers of a cluster agree on."""

import contextlib
import signal
import socket

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.training import cluster, distribution, heartbeats, signals
from input_pipeline import errors


class TwoWorkers(distribution.SingleReplica):
    """A cluster whose other worker contributes fixed values to every sum."""

    workers = 2

    def __init__(self, others):
        self._others = others

    def sum_over_workers(self, values):
        return [a + b for a, b in zip(values, self._others, strict=True)]


@pytest.mark.parametrize(
    ('own', 'others', 'number'),
    [
        (None, (0, 0), None),
        (None, (0, 1), signal.SIGTERM),
        (signal.SIGTERM, (0, 1), signal.SIGTERM),
        (signal.SIGINT, (0, 0), signal.SIGINT),
        (signal.SIGTERM, (1, 0), signal.SIGINT),
    ],
)
def test_workers_agree_on_a_signal(own, others, number):
    stop = signals.StopRequest(own)
    assert distribution.agree_on_stop(TwoWorkers(others), stop) == number


@pytest.mark.parametrize('own', [None, signal.SIGTERM])
def test_a_single_worker_stops_at_its_own_signal(own):
    stop = signals.StopRequest(own)
    assert distribution.agree_on_stop(distribution.SingleReplica(), stop) == own


def create_cluster(*digests):
    """Creates the replicas of a cluster, each of whose workers has one of the digests."""

    class Cluster(distribution.SingleReplica):
        workers = len(digests)

        def sum_over_workers(self, values):
            return [sum(map(float, digests))] if values[0] in digests else values

    return Cluster()


@pytest.mark.parametrize('workers', [2, 3])
def test_workers_that_were_started_differently_are_refused(workers):
    same = [2**39 + 7] * workers
    distribution.check_same_everywhere(create_cluster(*same), {'settings': same[0]})
    differing = [*same[:-1], 2**38 + 1]
    with pytest.raises(errors.DataError, match=r'differently \(settings\)'):
        distribution.check_same_everywhere(create_cluster(*differing), {'settings': differing[0]})


def test_a_program_may_try_again_after_workers_did_not_come(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    addresses = (f'localhost:{port}', f'localhost:{port + 1}')
    cluster_of_two = cluster.Cluster(addresses, 0)
    monkeypatch.setattr(cluster, 'find_cluster', lambda: cluster_of_two)
    monkeypatch.setattr(cluster, 'check_not_started', lambda: None)
    for _ in range(2):  # the port is free again
        with pytest.raises(heartbeats.PeerDisconnected, match='for 1 of 2 workers'):
            distribution.create_replicas('multi_worker', (), worker_timeout_secs=0.3)


class Heartbeats(contextlib.nullcontext):
    """Those of a worker that knows who was lost."""

    def explain(self, error):
        return heartbeats.PeerDisconnected(f'lost: {error.message}')


def test_a_broken_connection_is_reported_by_clusters_only():
    def fail():
        raise tf.errors.UnavailableError(None, None, 'Socket closed')

    replicas = TwoWorkers(())
    replicas.heartbeats = Heartbeats()
    with (
        pytest.raises(heartbeats.PeerDisconnected, match='lost: Socket closed'),
        distribution.report_disconnected_peers(replicas),
    ):
        fail()
    with (
        pytest.raises(tf.errors.UnavailableError),
        distribution.report_disconnected_peers(distribution.SingleReplica()),
    ):
        fail()


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_gradients_are_summed_in_the_given_precision_and_metrics_are_not(dtype):
    devices = ['/CPU:0', '/CPU:1']
    replicas = distribution.create_replicas('mirrored', devices, reduce_dtype=dtype)
    rows = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)

    @tf.function(autograph=False)
    def sum_rows(batch):
        return replicas.run(lambda row: replicas.sum_gradients([row[0]], row[0]), batch)

    (gradient,), metrics = sum_rows(tf.constant(rows))
    kind = {'float32': np.float32, 'bfloat16': ml_dtypes.bfloat16}[dtype]
    expected = (rows[0].astype(kind) + rows[1].astype(kind)).astype(np.float32)
    np.testing.assert_array_equal(gradient, expected)
    np.testing.assert_array_equal(metrics, rows[0] + rows[1])


def test_a_host_counts_once_whatever_its_number_of_replicas():
    replicas = distribution.create_replicas('mirrored', ['/CPU:0', '/CPU:1'])
    replicas.workers = 2  # this host and another, which is silent here
    assert replicas.sum_over_workers([3.0, 0.5]) == [3.0, 0.5]
