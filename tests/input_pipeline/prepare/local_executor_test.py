"""Tasks here and on other processes: results in order, counts, errors, lost processes."""

import os
import pathlib
import select
import signal
import subprocess
import sys
import textwrap

import pytest

from input_pipeline.prepare import local_executor


def test_one_worker_is_this_process():
    counts = []

    def double(number, count):
        count()
        return number * 2, os.getpid()

    results = list(local_executor.LocalExecutor(1).run(double, [3, 1, 2], counts.append))
    assert results == [(6, os.getpid()), (2, os.getpid()), (4, os.getpid())]
    assert counts == [1, 2, 3]


# Tasks of other processes must be in a module: the functions of this program.
PROGRAM = """
    import os, signal, sys
    from input_pipeline import errors
    from input_pipeline.prepare import local_executor

    def square(number, count):
        count()
        return number * number, os.getpid()

    def fail(number, count):
        raise errors.DataError(f'{number} is bad')

    def vanish(number, count):
        os.kill(os.getpid(), signal.SIGKILL)

    def wait(path, count):
        with open(path, 'w') as pipe:
            try:
                print('started', file=pipe, flush=True)
                signal.pause()
            finally:
                print('cleaned up', file=pipe, flush=True)

    if __name__ == '__main__':
        executor = local_executor.LocalExecutor(2)
        if sys.argv[1:] == ['show']:
            shown = local_executor.LocalExecutor(2, shows_stderr=True)
            sys.exit(len(list(shown.run(square, range(2)))) != 2)
        if sys.argv[1:]:
            list(executor.run(wait, sys.argv[1:]))
        counts = []
        results = list(executor.run(square, range(6), counts.append))
        assert [result for result, _ in results] == [0, 1, 4, 9, 16, 25], results
        assert os.getpid() not in {process for _, process in results}
        assert counts[-1] == 6
        try:
            list(executor.run(fail, [7]))
        except errors.DataError as error:
            print(error)
        try:
            list(executor.run(vanish, [0]))
        except errors.WorkerProcessLost as error:
            print(error)
"""


@pytest.fixture
def start(tmp_path):
    """A function that starts the program with the paths of pipes to wait with."""
    program = tmp_path / 'program.py'
    # Instead of TensorFlow, which each process imports for seconds; conversion_test has the real
    # one.
    (tmp_path / 'tensorflow.py').write_text(
        'import os\nfrom unittest import mock\nconfig = mock.Mock()\nos.write(2, b"it starts\\n")\n'
    )
    program.write_text(textwrap.dedent(PROGRAM))
    root = str(pathlib.Path(local_executor.__file__).parents[2])

    def start_program(*arguments):
        return subprocess.Popen(
            [sys.executable, str(program), *arguments],
            env=os.environ | {'PYTHONPATH': root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_program


@pytest.fixture
def pipes(tmp_path):
    """Named pipes by path, open for reading: a task that waits writes to its pipe."""
    paths = [tmp_path / f'pipe-{number}' for number in range(5)]
    for path in paths:
        os.mkfifo(path)
    pipes = {str(path): os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths}
    yield pipes
    for pipe in pipes.values():
        os.close(pipe)


def read(pipe):
    """What comes next; '' when the last process has closed the pipe."""
    assert select.select([pipe], [], [], 120)[0], 'nothing came for two minutes'
    return os.read(pipe, 1000).decode()


def test_results_are_in_order_and_errors_and_lost_processes_are_raised(start):
    out, err = start().communicate(timeout=120)
    assert '7 is bad' in out, err
    assert 'a worker process ended before its task' in out
    assert 'it starts' not in err


def test_what_tensorflow_writes_when_processes_start_is_shown_on_demand(start):
    program = start('show')
    _, err = program.communicate(timeout=120)
    assert program.returncode == 0, err
    assert 'it starts' in err


@pytest.mark.parametrize('name', ['SIGKILL', 'SIGINT'])
def test_processes_end_with_their_parent(start, pipes, name):
    (path, pipe), *_ = pipes.items()
    parent = start(path)
    assert read(pipe) == 'started\n'
    parent.send_signal(getattr(signal, name))
    parent.communicate(timeout=60)
    assert parent.returncode
    assert read(pipe) == ('cleaned up\n' if name == 'SIGINT' else '')
    assert read(pipe) == ''


def test_a_terminated_process_starts_no_other_task(start, pipes):
    parent = start(*pipes)
    first, second, *others = pipes.values()
    assert read(first) == read(second) == 'started\n'
    parent.send_signal(signal.SIGINT)
    _, err = parent.communicate(timeout=60)
    assert 'KeyboardInterrupt' in err
    assert '_Terminated' not in err
    assert 'Process Spawn' not in err
    assert read(first) == read(second) == 'cleaned up\n'
    assert [os.read(pipe, 1000) for pipe in others] == [b''] * 3
