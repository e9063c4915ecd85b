"""Standard streams that are closed, and stderr while it is suppressed, by C++ too."""

import os
import subprocess
import sys

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


@pytest.mark.parametrize('closed', ['', '<&-', '2>&-', '<&- 2>&-'])
def test_a_file_never_gets_the_number_of_a_standard_stream(closed):
    """Else what C++ writes to stderr would go into the file."""
    program = (
        'import os, sys; from input_pipeline import startup; startup.open_closed_streams(); '
        'sys.stderr.write(chr(10)); '
        'print(os.open(os.devnull, os.O_RDONLY) > 2, len(sys.stdin.read()))'
    )
    command = f'"{sys.executable}" -c "{program}" {closed or "</dev/null"}'
    done = subprocess.run(['bash', '-c', command], capture_output=True, text=True, check=True)
    assert done.stdout == 'True 0\n'
