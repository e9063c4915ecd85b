"""One process a directory; dead owners hold nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from input_pipeline import errors, locks

PROGRAM = """
import pathlib, sys, time
from input_pipeline import locks
with locks.held(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(60)
"""


def test_a_living_owner_is_named_and_a_dead_one_forgotten(tmp_path):
    with locks.held(tmp_path):
        pass
    owner = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout.readline() == 'held\n'
        said = f'in use by process {owner.pid} on '
        with pytest.raises(errors.DataError, match=said), locks.held(tmp_path):
            pass
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.communicate()
    time.sleep(0.05)
    with locks.held(tmp_path):
        assert f'process {os.getpid()} on' in (tmp_path / '.lock').read_text()
