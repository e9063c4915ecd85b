"""A version that fails leaves nothing, whatever was written beside it."""

import numpy as np
import pytest

from alexnet_tf.export import requests, saved_model


def test_other_formats_of_a_version_that_fails_are_removed(tmp_path, monkeypatch):
    def write_one_and_fail(_, path):
        path.with_name(f'{path.name}.tflite').write_bytes(b'whole')
        raise ValueError('the next one fails')

    monkeypatch.setattr(saved_model, 'save', lambda *_: None)
    monkeypatch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)
    monkeypatch.setattr(requests, 'write_warmup_requests', lambda *_: False)
    monkeypatch.setattr(requests, 'describe_signatures', lambda *_: {})
    (tmp_path / 'mine.tflite').write_bytes(b'a file of the user')
    with pytest.raises(ValueError, match='the next one'):
        saved_model.write(
            tmp_path,
            None,
            {},
            source={},
            reference=([b''], np.zeros(1)),
            write_formats=write_one_and_fail,
        )
    assert [path.name for path in tmp_path.iterdir() if path.suffix == '.tflite'] == ['mine.tflite']


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a version without a network; other formats are written by the given function."""
    monkeypatch.setattr(saved_model, 'save', lambda path, *_: (path / 'graph').write_text('graph'))
    monkeypatch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)
    monkeypatch.setattr(requests, 'write_warmup_requests', lambda *_: False)
    monkeypatch.setattr(requests, 'describe_signatures', lambda *_: {})
    arguments = {'source': {}, 'reference': ([b''], np.zeros(1))}
    return lambda write_formats: saved_model.write(
        tmp_path, None, {}, write_formats=write_formats, **arguments
    )


def test_what_a_killed_export_left_does_not_stop_the_next_one(tmp_path, written, monkeypatch):
    def write_a_format(_, path):
        path.with_name(f'{path.name}.tflite').write_bytes(b'whole')
        return {}

    def be_killed(_, path):
        write_a_format(_, path)
        monkeypatch.setattr(saved_model, '_remove_sidecars', lambda path: None)  # nothing runs
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(be_killed)
    assert (tmp_path / '1.tflite').exists()
    monkeypatch.undo()
    # Its number may have been given to a server already.
    assert saved_model.resolve_path(tmp_path, None) == tmp_path / '2'
    assert saved_model.resolve_path(tmp_path, 1) == tmp_path / '1'
