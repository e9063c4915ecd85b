"""TensorFlow's greeting, not heard: what its C++ writes to stderr before any log level counts."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Hides what is written to stderr; around TensorFlow's import and its search for GPUs."""
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    with tempfile.TemporaryFile() as aside:
        sys.stderr.flush()
        stderr = os.dup(_STDERR)
        os.dup2(aside.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
