"""Tasks in threads: results in order, counts, errors, an end before their time."""

import os
import threading

import pytest

from input_pipeline import errors
from input_pipeline.prepare import local_executor


def test_threads_work_at_once_and_results_are_in_order():
    together, counts = threading.Barrier(2, timeout=60), []

    def square(number, count):
        together.wait()  # for another task that runs at the same time
        count()
        return number * number, os.getpid()

    results = list(local_executor.LocalExecutor(2).run(square, range(6), counts.append))
    assert results == [(square, os.getpid()) for square in (0, 1, 4, 9, 16, 25)]
    assert counts[-1] == 6
    assert counts == sorted(set(counts))


def wait_and_clean_up(started, cleaned_up):
    """A task that counts until it is stopped."""

    def wait(task, count):
        started.release()
        try:
            while True:
                count()
        finally:
            cleaned_up.append(task)

    return wait


@pytest.mark.parametrize('workers', [2, 3])
def test_an_error_stops_the_other_tasks_which_clean_up(workers):
    started, cleaned_up = threading.Semaphore(0), []
    wait = wait_and_clean_up(started, cleaned_up)

    def fail(task, count):
        if task:
            return wait(task, count)
        for _ in range(workers - 1):
            started.acquire(timeout=60)
        raise errors.DataError('it is bad')

    before = set(threading.enumerate())
    with pytest.raises(errors.DataError, match='it is bad'):
        list(local_executor.LocalExecutor(workers).run(fail, range(9)))
    assert set(range(1, workers)) <= set(cleaned_up)
    assert set(threading.enumerate()) <= before


def test_an_interrupt_in_the_caller_stops_the_tasks_which_clean_up():
    started, cleaned_up = threading.Semaphore(0), []

    def interrupt(_done):
        started.acquire(timeout=60)
        raise KeyboardInterrupt

    executor = local_executor.LocalExecutor(2)
    with pytest.raises(KeyboardInterrupt):
        list(executor.run(wait_and_clean_up(started, cleaned_up), range(9), interrupt))
    assert set(cleaned_up) <= {0, 1, 2}
    assert cleaned_up
