"""Workers that find out who is lost; here they are threads of one process."""

import contextlib
import os
import queue
import socket

import pytest

from alexnet_tf.training import cluster, heartbeats, signals
from input_pipeline import errors


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name in ('BEAT', 'MISSED', 'BROKEN', 'GRACE', 'QUIET'):
        seconds = getattr(heartbeats, f'_{name}_SECS')
        monkeypatch.setattr(heartbeats, f'_{name}_SECS', seconds / 50)


@pytest.fixture
def exits(monkeypatch):
    """A queue of the statuses that workers would have ended their process with."""
    statuses = queue.Queue()
    monkeypatch.setattr(os, '_exit', statuses.put)
    return statuses


@pytest.fixture
def start():
    """Starts workers with the given indices of a cluster of `total`."""
    with contextlib.ExitStack() as probes:
        ports = []
        for _ in range(3):
            probe = probes.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            probe.bind(('127.0.0.1', 0))
            ports.append(probe.getsockname()[1])
    started = []

    def start(*indices, total=3, timeout_secs=0.4, gpus=(0, 0, 0)):
        addresses = tuple(f'localhost:{port}' for port in ports[:total])
        workers = [
            heartbeats.Heartbeats(cluster.Cluster(addresses, index), timeout_secs, gpus=number)
            for index, number in zip(indices, gpus, strict=False)
        ]
        started.extend(workers)
        if len(indices) == total:
            for worker in workers:
                worker.wait_for_all()
        return workers

    yield start
    for worker in started:
        silence(worker)


def silence(worker):
    """Ends a worker as SIGKILL does: without a word."""
    worker._closed.set()
    worker._thread.join()
    worker._socket.close()


def test_missing_workers_are_named_while_they_are_waited_for_and_after(start, capsys):
    (first, _) = start(0, 1)
    with pytest.raises(heartbeats.PeerDisconnected, match='for 1 of 3 workers: localhost:') as lost:
        first.wait_for_all()
    assert lost.value.exit_code == 75
    assert '[1/3] train: waits for 1 of 3 workers: localhost:' in capsys.readouterr().out


def test_hosts_with_different_numbers_of_gpus_are_named(start):
    with pytest.raises(ValueError, match=r'of GPUs: localhost:\d+ 8, localhost:\d+ 7\. TensorFlow'):
        start(0, 1, total=2, gpus=(8, 7))


def test_a_silent_worker_ends_the_others_which_name_it(start, exits, capsys):
    silence(start(0, 1, 2)[1])
    assert [exits.get(timeout=5) for _ in range(2)] == [75, 75]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert 'nothing came from the worker with index 1 (localhost:' in line
        assert 'index 0' not in line
        assert 'index 2' not in line


def test_a_worker_that_hears_nobody_may_be_cut_off_itself(start, exits, capsys):
    _, *others = start(0, 1, 2)
    for other in others:
        silence(other)
    assert exits.get(timeout=5) == 75
    assert 'This host may be cut off' in capsys.readouterr().err


def test_workers_that_end_together_are_not_missed(start, exits):
    _, second = start(0, 1, total=2)
    with pytest.raises(signals.Stopped), second:
        raise signals.Stopped(15)
    with pytest.raises(queue.Empty):
        exits.get(timeout=0.6)


@pytest.mark.parametrize('is_noticed', [True, False])  # by TensorFlow
def test_a_failure_ends_the_others_with_its_status(is_noticed, start, exits, capsys):
    first, second = start(0, 1, total=2, timeout_secs=30)
    with pytest.raises(errors.DataError), second:
        raise errors.DataError('no records')
    if is_noticed:
        first.explain(OSError('Socket closed'))
    assert exits.get(timeout=5) == 3
    assert 'index 1' in (shown := capsys.readouterr().err)
    assert 'ended with status 3' in shown


def test_a_lost_connection_between_workers_that_are_there_is_explained(start):
    first, _ = start(0, 1, total=2, timeout_secs=30)
    assert 'lost (Socket closed)' in str(first.explain(OSError('Socket\nclosed')))


def test_a_restarted_worker_is_noticed_at_once(start, exits, capsys):
    _, second = start(0, 1, total=2, timeout_secs=30)
    silence(second)
    start(1, total=2)
    assert exits.get(timeout=5) == 75
    assert 'was restarted' in capsys.readouterr().err


def test_a_process_is_not_ended_while_it_saves(start, exits):
    first, second = start(0, 1, total=2)
    with first.saving:
        silence(second)
        with pytest.raises(queue.Empty):
            exits.get(timeout=0.6)
    assert exits.get(timeout=5) == 75


def test_datagrams_from_elsewhere_are_ignored(start, exits):
    first, second = start(0, 1, total=2)
    other = b'{"from": 1, "process": 5, "to": null}'  # a cluster with the same addresses
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        for data in (
            b'',
            b'{}',
            b'[1]',
            b'\xff',
            b'{"from": 7}',
            b'{"from": 1}',
            9999 * b'[',
            other,
        ):
            stranger.sendto(data, ('127.0.0.1', first._socket.getsockname()[1]))
    with pytest.raises(queue.Empty):
        exits.get(timeout=0.3)
    silence(second)
    assert exits.get(timeout=5) == 75  # it watches still


def test_a_port_in_use_is_refused(start):
    start(0)
    with pytest.raises(ValueError, match='is in use'):
        start(0)
