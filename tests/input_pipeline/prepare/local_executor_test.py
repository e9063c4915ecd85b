"""Tasks here and on processes of their own: results in order, counts, errors, lost workers."""

import os
import pathlib
import signal as signals
import subprocess
import sys
import textwrap
import time

import pytest

from input_pipeline.prepare import local_executor


def test_one_worker_is_this_process():
    counted = []

    def task(number, count):
        count()
        return number * 2, os.getpid()

    with local_executor.Engine(1) as running:
        results = list(running.run(task, [3, 1, 2], counted.append))
    assert results == [(6, os.getpid()), (2, os.getpid()), (4, os.getpid())]
    assert counted == [1, 2, 3]


# What other processes run must be in a module, and is: a program of its own.
PROGRAM = """
    import os, pathlib, signal, sys, time
    from input_pipeline import engine, errors

    def square(number, count):
        count()
        return number * number, os.getpid()

    def fail(number, count):
        raise errors.DataError(f'{number} is bad')

    def vanish(number, count):
        os.kill(os.getpid(), signal.SIGKILL)

    def wait(path, count):
        if path is None:
            return
        pathlib.Path(path).write_text(str(os.getpid()))
        try:
            time.sleep(60)
        finally:
            pathlib.Path(path).unlink()

    if __name__ == '__main__':
        counted = []
        with engine.Engine(2) as running:
            results = list(running.run(square, range(6), counted.append))
            assert [each for each, _ in results] == [0, 1, 4, 9, 16, 25], results
            assert os.getpid() not in {each for _, each in results}
            assert counted[-1] == 6
            try:
                list(running.run(fail, [7]))
            except errors.DataError as error:
                print(error)
            if sys.argv[1:]:
                path, others = sys.argv[1], sys.argv[2:]
                list(running.run(wait, [path, *others] if others else [path, None]))
            try:
                list(running.run(vanish, [0]))
            except errors.WorkerLost as error:
                print(error)
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / 'program.py'
    # Instead of TensorFlow, which each process imports for seconds; convert_test has the real one.
    (tmp_path / 'tensorflow.py').write_text('from unittest import mock\nconfig = mock.Mock()\n')
    path.write_text(textwrap.dedent(PROGRAM))
    environment = os.environ | {'PYTHONPATH': str(pathlib.Path(local_executor.__file__).parents[1])}

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, str(path), *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_processes_give_results_in_order_and_errors_and_are_missed(program):
    out, err = program().communicate(timeout=120)
    assert '7 is bad' in out, err
    assert 'a worker process ended before its work' in out


@pytest.mark.parametrize('signal', ['SIGKILL', 'SIGINT'])
def test_processes_end_with_their_parent(program, tmp_path, signal):
    mark = tmp_path / 'waiting'
    parent = program(str(mark))
    _until(lambda: mark.exists() and mark.read_text(), 120)
    worker = int(mark.read_text())
    parent.send_signal(getattr(signals, signal))
    parent.communicate(timeout=60)
    _until(lambda: not _alive(worker), 30)
    assert parent.returncode
    if signal == 'SIGINT':
        assert not mark.exists()  # it could clean up


def test_a_worker_that_is_told_to_end_begins_no_other_task(program, tmp_path):
    marks = [tmp_path / str(at) for at in range(5)]
    parent = program(*map(str, marks))
    _until(lambda: all(mark.exists() for mark in marks[:2]), 120)
    parent.send_signal(signals.SIGINT)
    _, err = parent.communicate(timeout=60)
    assert 'KeyboardInterrupt' in err
    assert '_Told' not in err
    assert 'Process Spawn' not in err
    assert not any(mark.exists() for mark in marks)


def _until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _alive(process):
    try:
        return pathlib.Path(f'/proc/{process}/stat').read_text().split(')')[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False
