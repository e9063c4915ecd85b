"""One process a directory; dead owners hold no lock."""

import errno
import fcntl
import os
import subprocess
import sys
import types

import pytest

from input_pipeline import errors, locks

PROGRAM = """
import pathlib, sys
from input_pipeline import locks
with locks.acquire(pathlib.Path(sys.argv[1])):
    print('locked', flush=True)
    sys.stdin.read()
"""


def test_a_living_owner_is_named_and_a_dead_one_forgotten(tmp_path):
    with locks.acquire(tmp_path):
        pass
    owner = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert owner.stdout.readline() == 'locked\n'
        message = f'in use by process {owner.pid} on '
        with pytest.raises(errors.DataError, match=message), locks.acquire(tmp_path):
            pass
    finally:
        owner.kill()
        owner.communicate()
    with locks.acquire(tmp_path):
        assert f'process {os.getpid()} on' in (tmp_path / '.lock').read_text()


def test_a_link_is_refused_and_its_target_stays(tmp_path):
    (tmp_path / 'thesis.tex').write_text('text')
    (tmp_path / '.lock').symlink_to(tmp_path / 'thesis.tex')
    message = r'\.lock is a symbolic link, .* Remove the link'
    with pytest.raises(errors.DataError, match=message), locks.acquire(tmp_path):
        pass
    assert (tmp_path / 'thesis.tex').read_text() == 'text'


def test_who_waits_says_for_whom(tmp_path, monkeypatch):
    waits = []

    def refuse_once(_, operation):
        waits.append(not operation & fcntl.LOCK_NB)
        if not waits[-1]:
            raise BlockingIOError

    monkeypatch.setattr(locks.fcntl, 'flock', refuse_once)
    (tmp_path / '.lock').write_text('process 7 on host\n')
    message = f'{tmp_path} is in use by process 7 on host. Waiting'
    with pytest.warns(UserWarning, match=message), locks.acquire(tmp_path, wait=True):
        assert waits == [False, True]


def test_a_read_only_disk_can_be_read_without_a_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'statvfs', lambda _: types.SimpleNamespace(f_flag=os.ST_RDONLY))
    with locks.acquire(tmp_path, may_read=True):
        assert not (tmp_path / '.lock').exists()
    with locks.acquire(tmp_path):
        assert (tmp_path / '.lock').exists()


def test_a_disk_without_locks_can_be_used(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr(locks.fcntl, 'flock', refuse)
    with pytest.warns(UserWarning, match='Start no second process'), locks.acquire(tmp_path):
        assert (tmp_path / '.lock').exists()
