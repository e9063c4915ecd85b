"""Tasks on Beam's own runner for one machine."""

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
    assert counts == [1, 2, 3]


def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    with pytest.raises(errors.DataError, match=r'pip install "alexnet_tf\[beam\]"'):
        beam_executor.BeamExecutor([])


def test_options_that_beam_refuses_are_in_the_message():
    executor = beam_executor.BeamExecutor(['--runner=NoSuchRunner'])
    with pytest.raises(errors.DataError, match='Unexpected pipeline runner: NoSuchRunner'):
        list(executor.run(print, [1]))
