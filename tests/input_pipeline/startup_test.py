"""What is written to stderr while it is suppressed, by C++ too."""

import os

import pytest

from input_pipeline import startup


def test_stderr_is_hidden_and_restored_also_after_an_error(capfd, monkeypatch):
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '2')

    def write_and_fail():
        with startup.suppress_stderr():
            os.write(2, b'hidden')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    os.write(2, b'shown')
    assert capfd.readouterr().err == 'shown'
