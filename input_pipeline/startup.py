"""Standard streams when a program starts: closed ones, and what C++ writes to them."""

import contextlib
import os
import sys
from collections.abc import Iterator

_STDERR = 2


def open_closed_streams() -> None:
    """Opens /dev/null for standard streams that are closed, which Python leaves as None.

    Otherwise the next file that is opened would get the number of such a stream, and with it what
    C++ libraries write there.
    """
    for number, (name, mode) in enumerate({'stdin': 'r', 'stdout': 'w', 'stderr': 'w'}.items()):
        if getattr(sys, name) is not None:
            continue
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor != number:
            os.dup2(descriptor, number)
            os.close(descriptor)
        setattr(sys, name, open(number, mode))  # noqa: SIM115


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Hides everything written to stderr; for TensorFlow's import and its search for GPUs.

    Its C++ writes there before any log level holds.
    """
    with open(os.devnull, 'wb') as hidden:
        sys.stderr.flush()
        stderr = os.dup(_STDERR)
        os.dup2(hidden.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
