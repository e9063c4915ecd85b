"""Runs tasks one after the other in this process, or on several processes of this machine."""

import concurrent.futures
import contextlib
import dataclasses
import importlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from input_pipeline import errors, startup

_REPORT_SECS = 0.2


@dataclasses.dataclass(frozen=True)
class LocalExecutor:
    """Runs tasks on this machine.

    Attributes:
        workers: Number of processes; 1: this process only.
        shows_stderr: Whether what TensorFlow writes when a process starts is shown.
    """

    workers: int = 1
    shows_stderr: bool = False

    def run(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """Yields the results of `function(task, count)`, in the order of the tasks.

        Closing the iterator ends the processes, after they have cleaned up.

        Args:
            function: Calls `count` after each piece of a task's work. With several processes it
                must be importable.
            tasks: With several processes they must be picklable.
            report: Called in this process with the number of pieces that all tasks have counted.

        Raises:
            WorkerProcessLost: A process ended before its task.
        """
        if self.workers > 1:
            yield from self._run_on_processes(function, tasks, report)
            return
        counter = itertools.count(1)
        for task in tasks:
            yield function(task, lambda: report(next(counter)))

    def _run_on_processes(self, function, tasks, report):
        context = multiprocessing.get_context('spawn')  # TensorFlow does not survive a fork
        counter, others = context.Value('q', 0), set(multiprocessing.active_children())
        reported = 0

        def report_if_changed():
            nonlocal reported
            if counter.value > reported:
                reported = counter.value
                report(reported)

        with concurrent.futures.ProcessPoolExecutor(
            self.workers, context, _start_worker, (counter, self.shows_stderr)
        ) as pool:
            try:
                for future in [pool.submit(_run_task, function, task) for task in tasks]:
                    while not concurrent.futures.wait([future], _REPORT_SECS).done:
                        report_if_changed()
                    yield future.result()
                    report_if_changed()
            except concurrent.futures.process.BrokenProcessPool as error:
                raise errors.WorkerProcessLost(
                    'a worker process ended before its task, perhaps out of memory. Run the same '
                    'command again with fewer --workers: finished shards are kept.'
                ) from error
            except BaseException:
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()
                pool.shutdown(cancel_futures=True)
                raise


class _Terminated(BaseException):
    """SIGTERM during a task, as an exception so that the task cleans up."""


def _start_worker(counter, shows_stderr: bool) -> None:
    """Prepares a worker process."""
    _count_one.counter = counter
    # A terminal's Ctrl-C reaches all processes; the first one decides, and terminates the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    with contextlib.nullcontext() if shows_stderr else startup.suppress_stderr():
        tensorflow = importlib.import_module('tensorflow')
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)  # a process for each core
        tensorflow.config.list_logical_devices()


def _run_task(function, task):
    try:
        signal.signal(signal.SIGTERM, _raise_terminated)
        try:
            return function(task, _count_one)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except _Terminated:
        os._exit(1)  # the pool would assign the next task


def _raise_terminated(*_) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def _count_one() -> None:
    with _count_one.counter.get_lock():
        _count_one.counter.value += 1


def _exit_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
