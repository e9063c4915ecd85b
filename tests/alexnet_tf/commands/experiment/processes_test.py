"""A process of a trial is stopped with its parent, and its failure is explained."""

import signal
import sys

import pytest

from alexnet_tf.commands.experiment import processes

SCRIPT = """
import signal, sys
def stop(*_):
    print('saved', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print('ready', flush=True)
signal.pause()
"""


def test_an_interrupted_process_is_asked_to_stop_once_and_waited_for(tmp_path):
    log = tmp_path / 'log'
    started = []

    def interrupt(stream, number):
        with processes.start_process([sys.executable, '-c', SCRIPT], stream) as process:
            started.append(process)
            while log.read_bytes().split()[-1:] != [b'ready']:
                assert process.poll() is None
            signal.raise_signal(number)
            process.wait()

    for number in (signal.SIGINT, signal.SIGHUP):
        with open(log, 'ab') as stream, pytest.raises(KeyboardInterrupt):
            interrupt(stream, number)
    assert log.read_text().split() == ['ready', 'saved'] * 2
    assert [process.returncode for process in started] == [0, 0]


def test_the_error_of_a_killed_process_names_the_signal(tmp_path):
    log = tmp_path / 'log'
    log.write_text('epoch 3/10')
    error = processes.TrialFailedError('seed=1', log, -9)
    assert 'seed=1 was killed by SIGKILL, perhaps because memory ran out' in str(error)
    assert error.exit_code == 137
