"""Keeps TensorFlow's start-up lines off the screen: its C++ writes them before any log level."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Hides everything written to stderr; for TensorFlow's import and its search for GPUs."""
    # Errors too: Python raises them, and oneDNN logs one for uint8 on any CPU without AVX-512.
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    with tempfile.TemporaryFile() as hidden:
        sys.stderr.flush()
        stderr = os.dup(_STDERR)
        os.dup2(hidden.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
