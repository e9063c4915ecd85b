"""Hosts on one machine: network namespaces joined by veth pairs and a bridge; needs root."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator

_CLONE_NEWNET, _PR_SET_PDEATHSIG = 0x40000000, 1  # linux/sched.h, linux/prctl.h
_SWITCH = 'alexnet-switch'  # the namespace of the bridge
COUNTERS = '/proc/self/net/dev'  # of the host of the process that reads it


class Network:
    """Hosts 10.77.0.1, 10.77.0.2, ... on one switch.

    Attributes:
        addresses: Of the hosts.
    """

    def __init__(self, hosts: int, rate: str = ''):
        self.addresses = [f'10.77.0.{host + 1}' for host in range(hosts)]
        _ip('netns', 'add', _SWITCH)
        _ip('-n', _SWITCH, 'link', 'add', 'bridge', 'type', 'bridge')
        _ip('-n', _SWITCH, 'link', 'set', 'bridge', 'up')
        for host, address in enumerate(self.addresses):
            name = f'alexnet-{host}'
            _ip('netns', 'add', name)
            peer = ('peer', 'name', f'port{host}', 'netns', _SWITCH)
            _ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', *peer)
            _ip('-n', name, 'address', 'add', f'{address}/24', 'dev', 'eth0')
            for link in ('lo', 'eth0'):
                _ip('-n', name, 'link', 'set', link, 'up')
            _ip('-n', _SWITCH, 'link', 'set', f'port{host}', 'up')
            self.join(host)
            if rate:
                limit = ('root', 'tbf', 'rate', rate, 'burst', '512kb', 'latency', '50ms')
                _run('ip', 'netns', 'exec', name, 'tc', 'qdisc', 'add', 'dev', 'eth0', *limit)

    def cut(self, host: int) -> None:
        """Cuts a host off: what it sends, and what is sent to it, is lost without a sign."""
        _ip('-n', _SWITCH, 'link', 'set', f'port{host}', 'nomaster')

    def join(self, host: int) -> None:
        """Connects a host to the switch."""
        _ip('-n', _SWITCH, 'link', 'set', f'port{host}', 'master', 'bridge')

    def count_bytes(self, host: int) -> int:
        """Returns the bytes that a host has sent to the others."""
        return parse_sent(_run('ip', 'netns', 'exec', f'alexnet-{host}', 'cat', COUNTERS))


@contextlib.contextmanager
def create_network(hosts: int, rate: str = '') -> Iterator[Network]:
    """Creates hosts for the block.

    Args:
        hosts: Their number.
        rate: At which each can send, such as '1gbit'; '': as fast as the machine can.
    """
    remove_all()
    try:
        yield Network(hosts, rate)
    finally:
        remove_all()


def remove_all() -> None:
    """Removes the namespaces of this module, those of an interrupted script too."""
    for name in _run('ip', 'netns', 'list').split():
        if name.startswith('alexnet-'):
            _ip('netns', 'delete', name)


def parse_sent(counters: str) -> int:
    """Returns the bytes sent by eth0, from the text of COUNTERS."""
    (line,) = (line for line in counters.splitlines() if line.strip().startswith('eth0:'))
    return int(line.split()[9])


def enter(host: int) -> None:
    """Moves this process into a host's network; the process ends with its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with pathlib.Path(f'/run/netns/alexnet-{host}').open() as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ip(*arguments: str) -> None:
    _run('ip', *arguments)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
