"""Progress on one line of a terminal that changes in place, or on a few lines of a log."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator

_TERMINAL_SECS, _LOG_SECS = 0.2, 30.0
_MIN_SECS = 1e-9
_COLUMNS = 80  # of a notebook, and where the width of a terminal is unknown


class Progress:
    """Shows how far a count has come, how fast, and how much time is left.

    A line of a terminal or a notebook is replaced several times a second. Anything else, such as
    the log of a job, gets a line every 30 seconds, and one at the end of the count.

    Args:
        unit: What is counted, in the plural.
        stream: Where it is shown; `sys.stderr` if None.
    """

    def __init__(self, unit: str = '', stream=None):
        self._unit, self._stream = unit, stream
        shown_on = stream or sys.stderr
        # A notebook's stream is no terminal, and knows \r but no escape sequences.
        is_notebook = type(shown_on).__module__.startswith('ipykernel.')
        self._is_terminal = is_notebook or shown_on.isatty()
        self._clear_line = f'\r{" " * (_COLUMNS - 1)}\r' if is_notebook else '\r\x1b[K'
        self._interval = _TERMINAL_SECS if self._is_terminal else _LOG_SECS
        self._start = self._last = time.monotonic()
        self._is_line_open = False

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def update(self, done: float, total: float) -> None:
        """Shows `done` of `total`, unless something was shown a moment ago."""
        if done < total and not self.is_due:
            return
        rate = done / max(time.monotonic() - self._start, _MIN_SECS)
        left = format_duration((total - done) / max(rate, _MIN_SECS))
        self.show(f'{done:,.0f}/{total:,.0f} {self._unit}  {rate:,.0f}/s  {left} left')

    @property
    def is_due(self) -> bool:
        """Whether the last line was shown long enough ago."""
        return time.monotonic() - self._last >= self._interval

    def show(self, line: str) -> None:
        """Shows a line, in place of the last one on a terminal."""
        self._last = time.monotonic()
        if self._is_terminal:
            columns = shutil.get_terminal_size((_COLUMNS, 24)).columns
            self._write(f'{self._clear_line}{line[: columns - 1]}')
        else:
            self._write(f'{line}\n')
        self._is_line_open = self._is_terminal

    def clear(self) -> None:
        """Removes a terminal's line, so that something else can be printed."""
        if self._is_line_open:
            self._write(self._clear_line)
        self._is_line_open = False

    def close(self) -> None:
        """Ends a terminal's line, which stays."""
        if self._is_line_open:
            self._write('\n')
        self._is_line_open = False

    def _write(self, text: str) -> None:
        stream = self._stream or sys.stderr
        stream.write(text)
        stream.flush()


class Meter:
    """Measures training examples per second and the share of time spent on waiting for them.

    Attributes:
        examples: Number of examples so far.
    """

    def __init__(self):
        self._start, self._waited, self.examples = time.monotonic(), 0.0, 0

    def add(self, examples: int) -> None:
        """Counts examples."""
        self.examples += examples

    @contextlib.contextmanager
    def measure_waiting(self) -> Iterator[None]:
        """Counts the time in the block as waiting."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    @property
    def images_per_sec(self) -> float:
        """Examples per second since the meter was created."""
        return self.examples / self._elapsed

    @property
    def wait_share(self) -> float:
        """Share of the time spent waiting, in [0, 1]."""
        return self._waited / self._elapsed

    @property
    def _elapsed(self) -> float:
        return max(time.monotonic() - self._start, _MIN_SECS)


def format_duration(seconds: float) -> str:
    """Returns a duration as minutes and seconds, and hours if there are any.

    >>> format_duration(59.6), format_duration(605), format_duration(7265)
    ('1:00', '10:05', '2:01:05')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'
