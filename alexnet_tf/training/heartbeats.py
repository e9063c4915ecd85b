"""Heartbeats between the workers of a cluster, by which they detect which worker was lost.

TensorFlow's collectives would wait for ever, or fail without naming the worker. Here each worker
sends every other one a UDP datagram a second, to the port of TensorFlow's server. A separate thread
watches them and ends the process when a worker is lost, since the main thread may be inside a
collective that never ends.
"""

import contextlib
import dataclasses
import json
import math
import os
import secrets
import select
import socket
import sys
import threading
import time
from typing import Any

from alexnet_tf.training import cluster as cluster_lib
from alexnet_tf.training import signals

_BEAT_SECS = 1.0
_MISSED_SECS = 3.5  # of silence: the worker counts as missing at the start
_BROKEN_SECS = 5.0  # of silence: a worker is lost, if TensorFlow has lost a connection, too
_GRACE_SECS = 15.0  # after another worker's error, which this one may explain better
_QUIET_SECS = 2.0  # of waiting before a line reports it
_MAX_BYTES, _MOST_DATAGRAMS = 1 << 16, 1000  # of a datagram; between two beats
_NOT_A_BEAT = (OSError, ValueError, KeyError, TypeError, RecursionError)
_LOST = 75  # EX_TEMPFAIL of sysexits.h, by which schedulers know that trying again helps
_FAMILY = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
_RESUME = 'Run the same command on every host to resume.'


class PeerDisconnected(Exception):
    """Another worker of the cluster is lost, or did not come.

    Attributes:
        exit_code: The process's exit status if nothing catches the error.
    """

    exit_code = _LOST


@dataclasses.dataclass
class _Peer:
    """What is known of another worker."""

    address: tuple[str, int]
    gpus: int = 0
    process: int | None = None  # a random number that identifies its process
    received_at: float = -math.inf  # time of its last message to this process
    is_done: bool = False
    reason: str = ''  # why it ended, if not as all others do
    exit_code: int = _LOST
    resolved: tuple | None = None  # its address as numbers

    @classmethod
    def from_address(cls, address: str) -> '_Peer':
        host, _, port = address.rpartition(':')
        return cls((host.strip('[]'), int(port)))

    def resolve(self) -> tuple:
        family = socket.AF_UNSPEC if _FAMILY == socket.AF_INET6 else _FAMILY
        kind, *_, address = socket.getaddrinfo(*self.address, family, socket.SOCK_DGRAM)[0]
        if kind != _FAMILY:
            return (f'::ffff:{address[0]}', address[1])  # an IPv4 address in IPv6
        return address


class Heartbeats:
    """Sends and watches heartbeats, in a thread of its own.

    As a context manager it tells the other workers at the end whether this one failed.

    Args:
        cluster: The workers.
        timeout_secs: Seconds of silence after which a worker is lost, and to wait for all at first.
        gpus: Number of this host's GPUs; TensorFlow needs the same on each host.

    Attributes:
        saving: Held while this process must not be ended.

    Raises:
        ValueError: The port of this worker is in use.
    """

    def __init__(self, cluster: cluster_lib.Cluster, timeout_secs: float, *, gpus: int = 0):
        self._cluster, self._timeout, self._gpus = cluster, timeout_secs, gpus
        peers = dict(enumerate(map(_Peer.from_address, cluster.addresses)))
        self._socket = _open_socket(peers.pop(cluster.index).address[1])
        self._peers = peers
        self._process = secrets.randbits(48)
        self._is_complete = self._is_broken = False
        self._end: dict[str, Any] = {}  # what the last messages say
        self.saving = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name='heartbeats', daemon=True)
        self._thread.start()

    def wait_for_all(self) -> None:
        """Waits until all workers have connected, and prints the missing ones.

        Raises:
            PeerDisconnected: Some did not come within the timeout.
            ValueError: They have different numbers of GPUs.
        """
        start, shown, total = time.monotonic(), [], len(self._cluster.addresses)
        while missing := self._list_silent(_MISSED_SECS):
            names = ', '.join(self._cluster.addresses[worker] for worker in missing)
            waited = time.monotonic() - start
            if waited > self._timeout:
                raise PeerDisconnected(
                    f'waited {self._timeout:g} s (--worker_timeout_secs) for {len(missing)} of '
                    f'{total} workers: {names}. Start all of them.'
                )
            if missing != shown and waited > _QUIET_SECS:
                line = f'train: waits for {len(missing)} of {total} workers: {names}'
                print(f'[{self._cluster.index + 1}/{total}] {line}', flush=True)
                shown = missing
            time.sleep(_BEAT_SECS / 10)
        gpus = {worker: peer.gpus for worker, peer in self._peers.items()}
        gpus |= {self._cluster.index: self._gpus}
        if len(set(gpus.values())) > 1:
            counts = (
                f'{self._cluster.addresses[worker]} {gpus[worker]}' for worker in sorted(gpus)
            )
            raise ValueError(
                f'hosts have different numbers of GPUs: {", ".join(counts)}. TensorFlow needs the '
                'same on each; CUDA_VISIBLE_DEVICES hides some.'
            )
        self._is_complete = True

    def explain(self, error: Exception) -> PeerDisconnected:
        """Finds the lost worker after TensorFlow failed; if there is one, the process ends.

        Args:
            error: TensorFlow's.

        Returns:
            The error to raise if all other workers are still there.
        """
        self._is_broken = True
        self._thread.join(2 * _BROKEN_SECS)
        reason = ' '.join(str(error).split())[:300]
        return PeerDisconnected(f'the connection to another worker is lost ({reason}). {_RESUME}')

    def __enter__(self) -> 'Heartbeats':
        return self

    def __exit__(self, kind, error, traceback) -> None:
        is_agreed = error is None or isinstance(error, signals.Stopped)  # by all, at the same step
        code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, 'exit_code', None)
        name = self._cluster.describe(self._cluster.index)
        how = 'with an error' if code is None else f'with status {code}'
        words = f'{name} ended {how}; its own messages say why.'
        self._send_end('' if is_agreed else words, 1 if code is None else code)
        self.close()

    def close(self) -> None:
        """Ends the heartbeats and frees the port, without a word to the other workers."""
        self._closed.set()
        self._thread.join(2 * _BEAT_SECS)
        self._socket.close()

    def _send_end(self, reason: str, exit_code: int) -> None:
        self._end = {'words': reason, 'code': exit_code}
        self._closed.set()
        for _ in range(3):  # datagrams may be lost
            self._send_to_all()

    def _beat(self) -> None:
        while not self._closed.is_set():
            self._send_to_all()
            self._receive(_BEAT_SECS)
            if self._is_complete and not self._closed.is_set():
                self._exit_if_one_is_lost()

    def _receive(self, seconds: float) -> None:
        """Receives for some time; after a pause of the process, at least the waiting messages."""
        end = time.monotonic() + seconds
        for _ in range(_MOST_DATAGRAMS):
            if not select.select([self._socket], [], [], max(0.0, end - time.monotonic()))[0]:
                return
            with contextlib.suppress(*_NOT_A_BEAT):
                message = json.loads(self._socket.recv(_MAX_BYTES))
                self._hear(message['from'], self._peers[message['from']], message)

    def _hear(self, worker: int, peer: _Peer, message: dict[str, Any]) -> None:
        if message['process'] != peer.process:
            if self._is_complete:
                # If the known process still sends, this message is from another cluster.
                if worker in self._list_silent(_MISSED_SECS):
                    peer.reason = f'{self._cluster.describe(worker)} was restarted. {_RESUME}'
                return
            peer.process, peer.resolved = message['process'], peer.resolve()
            peer.gpus = int(message['gpus'])
            self._send(peer)  # so that it need not wait for the next beat
        if message['to'] == self._process:  # not to an earlier process here
            peer.received_at = time.monotonic()
            peer.reason, peer.exit_code = message.get('words', ''), message.get('code', _LOST)
            peer.is_done = 'words' in message and not peer.reason

    def _send_to_all(self) -> None:
        for peer in self._peers.values():
            self._send(peer)

    def _send(self, peer: _Peer) -> None:
        message = {'from': self._cluster.index, 'process': self._process, 'to': peer.process}
        message |= {'gpus': self._gpus}
        with contextlib.suppress(OSError):  # the name or route does not exist, yet or any more
            # The name of a restarted worker may resolve to another address.
            address = (self._is_complete and peer.resolved) or peer.resolve()
            self._socket.sendto(json.dumps(message | self._end).encode(), address)

    def _list_silent(self, seconds: float) -> list[int]:
        """Lists the workers that have sent nothing for some time, though they are not done."""
        since, peers = time.monotonic() - seconds, self._peers.items()
        return [worker for worker, peer in peers if not peer.is_done and peer.received_at < since]

    def _exit_if_one_is_lost(self) -> None:
        limit = min(_BROKEN_SECS, self._timeout) if self._is_broken else self._timeout
        silent, gone = self._list_silent(limit), self._list_silent(min(limit, _GRACE_SECS))
        for worker, peer in self._peers.items():
            is_conclusive = self._is_broken or peer.exit_code == _LOST or worker in gone
            if peer.reason and is_conclusive:
                self._exit(peer.reason, peer.exit_code)
                return
        if silent:
            silent = self._list_silent(limit / 2)  # their last beats were not at the same moment
            names = ' and '.join(map(self._cluster.describe, silent))
            is_alone = len(silent) == len(self._peers) > 1
            hint = ' This host may be cut off from all of them.' if is_alone else ''
            self._exit(f'nothing came from {names} for {limit:g} s.{hint} {_RESUME}', _LOST)

    def _exit(self, message: str, exit_code: int) -> None:
        with contextlib.suppress(OSError):  # the process ends even if nobody can read why
            print(f'alexnet_tf: error: {message}', file=sys.stderr, flush=True)
        self._send_end(message, exit_code)
        self.saving.acquire(timeout=self._timeout)
        os._exit(exit_code)


def _open_socket(port: int) -> socket.socket:
    """Opens a datagram socket for IPv4, and for IPv6 where the host has it."""
    sender = socket.socket(_FAMILY, socket.SOCK_DGRAM)
    if _FAMILY == socket.AF_INET6:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        is_dual = _FAMILY == socket.AF_INET6
        # TensorFlow's own server says less about a port in use.
        socket.create_server(('', port), family=_FAMILY, dualstack_ipv6=is_dual).close()
        sender.bind(('', port))
    except OSError as error:
        sender.close()
        raise ValueError(
            f"port {port} of this worker is in use, or another user's: {error}. End what uses it, "
            'or name another port in TF_CONFIG.'
        ) from error
    return sender
