"""Runs tasks one after the other in this process, or on several of this machine."""

import concurrent.futures
import functools
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from input_pipeline import errors, startup

_SECONDS = 0.2  # between reports

Count = Callable[[], None]


class Engine:
    """A context in which tasks are run.

    Args:
        workers: Processes; 1: none but this one. They live as long as the context.
    """

    def __init__(self, workers: int):
        self._workers, self._pool, self._counter, self._others = workers, None, None, set()

    def __enter__(self):
        if self._workers > 1:
            context = multiprocessing.get_context('spawn')  # TensorFlow does not survive a fork
            self._counter, self._others = context.Value('q', 0), _children()
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self._workers, context, _begin, (self._counter,)
            )
        return self

    def __exit__(self, kind, *_):
        if self._pool:
            for process in _children() - self._others if kind else ():
                process.terminate()
            self._pool.shutdown(cancel_futures=True)

    def run(
        self,
        function: Callable[[Any, Count], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """The results of `function(task, count)`, in the order of tasks.

        Args:
            function: Of a module, so that another process finds it. It calls `count` after each
                piece of a task's work.
            tasks: Can be pickled where there are several processes.
            report: Called in this process with the pieces counted so far, by all.

        Raises:
            WorkerLost: A process ended before its work.
        """
        if self._pool is None:
            count = _Count(report)
            return (function(task, count) for task in tasks)
        return self._on_processes(function, tasks, report)

    def _on_processes(self, function, tasks, report):
        self._counter.value = 0
        try:
            for future in [self._pool.submit(_counted, function, task) for task in tasks]:
                while not concurrent.futures.wait([future], _SECONDS).done:
                    report(self._counter.value)
                yield future.result()
                report(self._counter.value)
        except concurrent.futures.process.BrokenProcessPool as error:
            raise errors.WorkerLost(
                'a worker process ended before its work, perhaps for want of memory. What is '
                'finished stays: run the same command again, with fewer --workers.'
            ) from error


class _Count:
    def __init__(self, report):
        self._done, self._report = 0, report

    def __call__(self) -> None:
        self._done += 1
        self._report(self._done)


def _children() -> set:
    return set(multiprocessing.active_children())


class _Told(BaseException):
    """This process is told to end."""


def _counted(function, task):
    if _begin.told:  # between two tasks
        os._exit(1)
    try:
        _begin.works = True
        return function(task, functools.partial(_add, _begin.counter))
    finally:
        _begin.works = False
        if _begin.told:  # the executor would hand out the next task
            os._exit(1)


def _add(counter) -> None:
    with counter.get_lock():
        counter.value += 1


def _begin(counter) -> None:
    """What a worker process does first."""
    _begin.counter, _begin.works, _begin.told = counter, False, False
    # A terminal's Ctrl-C reaches all processes; the first one decides, and terminates the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminated)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    with startup.unheard():
        tensorflow = importlib.import_module('tensorflow')
        # There are as many processes as cores.
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.list_logical_devices()


def _terminated(*_) -> None:
    """Ends, once what is half done is cleaned up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _begin.told = True
    if not _begin.works:
        os._exit(1)
    raise _Told


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
