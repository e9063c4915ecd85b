"""Runs one mode of a trial in a process of its own."""

import contextlib
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from alexnet_tf.config import schema, serialization
from alexnet_tf.training import signals

_STOP_SECS = 3600  # until a run that was asked to stop has saved; it may be validating


class TrialFailedError(Exception):
    """A process of a trial ended with an error.

    Args:
        name: Name of the trial.
        log: Path of its log.
        code: Exit status of the process, negative if a signal killed it.

    Attributes:
        exit_code: The exit status of the experiment: that of the process.
    """

    def __init__(self, name: str, log: pathlib.Path, code: int):
        if code < 0:
            reason = f'was killed by {signal.Signals(-code).name}'
            if -code == signal.SIGKILL:
                reason += ', perhaps because memory ran out'
        else:
            lines = log.read_text(errors='replace').strip().splitlines()
            reason = f'failed: {lines[-1] if lines else "no message"}'
        super().__init__(f'{name} {reason} (log: {log}). Run the same command to resume.')
        self.exit_code = code if code > 0 else 128 - code


def run_mode(config: schema.Config, mode: str, log: pathlib.Path) -> int:
    """Runs a mode with a config, its output appended to a log, and returns its exit status."""
    command = [sys.executable, '-m', 'alexnet_tf.main', *serialization.to_flags(config, mode)]
    with open(log, 'ab') as file, start_process(command, file) as process:
        return process.wait()


@contextlib.contextmanager
def start_process(command: Sequence[str], output: BinaryIO) -> Iterator[subprocess.Popen]:
    """Starts a process; if the block is interrupted, asks it once to stop, and waits for it.

    Args:
        command: The command line.
        output: File of its standard output and standard error.
    """
    # In a session of its own; otherwise Ctrl-C would be a second signal, which prevents saving.
    with signals.raise_on(signal.SIGHUP, KeyboardInterrupt):
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECS)
            raise
        finally:
            process.kill()
