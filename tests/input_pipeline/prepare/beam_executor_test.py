"""Tasks on Beam's own runner for one machine, and on Dask."""

import os
import pathlib
import signal
import sys

import pytest

from input_pipeline import errors
from input_pipeline.prepare import beam_executor


def test_the_pipeline_does_the_work_and_the_results_are_found_afterwards(tmp_path):
    counts = []

    def write(task, count):
        path = tmp_path / str(task)
        existed = path.exists()
        path.write_text('done')
        count()
        return task * 2, existed

    executor = beam_executor.BeamExecutor(['--runner=DirectRunner'])
    results = list(executor.run(write, [3, 1, 2], counts.append))
    assert results == [(6, True), (2, True), (4, True)]
    assert counts[-1] == 3


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    with pytest.raises(errors.DataError, match=r'pip install "alexnet_tf\[beam\]"'):
        beam_executor.BeamExecutor([])


def test_options_that_beam_refuses_are_in_the_message():
    executor = beam_executor.BeamExecutor(['--runner=NoSuchRunner'])
    with pytest.raises(errors.DataError, match='Unexpected pipeline runner: NoSuchRunner'):
        list(executor.run(print, [1]))


def test_an_error_of_a_runner_that_is_no_error_of_its_options_is_in_the_message_too():
    """DirectRunner's own kind."""

    def fail(task, count):
        raise KeyError('no such shard')

    executor = beam_executor.BeamExecutor(['--runner=DirectRunner'])
    with pytest.raises(errors.DataError, match=r'no such shard.*finished shards are kept'):
        list(executor.run(fail, [1]))


@pytest.mark.parametrize(
    ('options', 'added'),
    [
        (['--runner=DaskRunner'], ['--dask_partition_size=1']),
        (['--runner', 'DaskRunner', '--dask_npartitions=7'], []),
    ],
)
def test_dasks_runner_goes_by_its_short_name_and_hands_out_tasks_one_by_one(options, added):
    name = 'apache_beam.runners.dask.dask_runner.DaskRunner'
    expected = [option.replace('DaskRunner', name) for option in options]
    assert beam_executor._complete(options) == [*expected, *added]


class KillingExecutor(beam_executor.BeamExecutor):
    """Runs tasks on workers; the first one that takes the second task is killed there."""

    def run(self, function, tasks, report=lambda done: None):
        here, second = os.getpid(), tasks[1].path
        mark = pathlib.Path(second.parent.parent, 'killed')

        def run_or_die(task, count):
            if task.path == second and os.getpid() != here and not mark.exists():
                mark.touch()
                half = f'.{second.name}.tmp-{os.getpid()}-0123abcd'  # of a shard
                second.with_name(half).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(task, count)

        yield from super().run(run_or_die, tasks, report)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')  # of Dask
def test_dask_writes_the_same_records_though_a_worker_is_killed(prepare_folder, folder, tmp_path):
    distributed = pytest.importorskip('distributed', reason='Dask is not installed')
    prepare_folder(folder, tmp_path / 'local')
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = f'--dask_client_address={cluster.scheduler_address}'
        executor = KillingExecutor(['--runner=DaskRunner', address])
        prepare_folder(folder, tmp_path / 'dask', executor=executor)
        distributed.default_client().close()  # Beam leaves it open
    assert (tmp_path / 'killed').exists()
    local, dask = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.is_file()}
        for name in ('local', 'dask')
    )
    assert len(local) > 6
    assert local == dask
