"""Runs tasks in threads of this process."""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_REPORT_SECS = 0.2


@dataclasses.dataclass(frozen=True)
class LocalExecutor:
    """Runs tasks on this machine.

    Threads suffice: TensorFlow and NumPy do the long work without holding Python's lock, and
    processes would each need seconds and half a gigabyte to start.

    Attributes:
        workers: Number of threads.
    """

    workers: int = 1

    def run(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """Yields the results of `function(task, count)`, in the order of the tasks.

        Closing the iterator stops each task at its next call of `count`, and returns when all have
        cleaned up.

        Args:
            function: Calls `count` after each piece of a task's work.
            tasks: What is to be done.
            report: Called in the caller's thread with the number of pieces that all tasks have
                counted.
        """
        counter, reported = _Counter(), 0

        def report_if_changed():
            nonlocal reported
            if counter.value > reported:
                reported = counter.value
                report(reported)

        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            try:
                for future in [pool.submit(function, task, counter.count) for task in tasks]:
                    while not concurrent.futures.wait([future], _REPORT_SECS).done:
                        report_if_changed()
                    yield future.result()
                    report_if_changed()
            finally:
                counter.stop()
                pool.shutdown(cancel_futures=True)


class _Stopped(BaseException):
    """Ends a task early; it is an exception, so that the task cleans up."""


class _Counter:
    """Counts the pieces of all tasks, until they are to stop."""

    def __init__(self):
        self.value = 0
        self._lock = threading.Lock()
        self._is_stopped = False

    def count(self) -> None:
        if self._is_stopped:
            raise _Stopped
        with self._lock:
            self.value += 1

    def stop(self) -> None:
        self._is_stopped = True
