"""Tasks on Beam's own runner for one machine."""

import sys

import pytest

from input_pipeline import errors
from input_pipeline.prepare import beam_executor


def test_work_is_done_in_the_pipeline_and_found_afterwards(tmp_path):
    counted = []

    def write(task, count):
        path = tmp_path / str(task)
        found = path.exists()
        path.write_text('done')
        count()
        return task * 2, found

    with beam_executor.BeamEngine(['--runner=DirectRunner']) as running:
        results = list(running.run(write, [3, 1, 2], counted.append))
    assert results == [(6, True), (2, True), (4, True)]
    assert counted == [1, 2, 3]


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)
    with pytest.raises(errors.DataError, match=r'pip install "alexnet_tf\[beam\]"'):
        beam_executor.BeamEngine([])


def test_options_that_beam_refuses_are_said():
    said = 'Unexpected pipeline runner: NoSuchRunner'
    running = beam_executor.BeamEngine(['--runner=NoSuchRunner'])
    with running, pytest.raises(errors.DataError, match=said):
        running.run(print, [1])
