"""Progress for people: one line that changes on a terminal, a line now and then elsewhere."""

import sys
import time

_TERMINAL_SECS, _PLAIN_SECS = 0.2, 10.0


class Progress:
    """Shows how far a count has come, its rate and the time left.

    Args:
        unit: What is counted, in the plural.
        stream: Where it is shown.
    """

    def __init__(self, unit: str, stream=None):
        self._unit, self._stream = unit, stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._start = self._shown = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Shows `done` of `total`, unless it did so a moment ago."""
        now = time.monotonic()
        interval = _TERMINAL_SECS if self._terminal else _PLAIN_SECS
        if done < total and now - self._shown < interval:
            return
        self._shown = now
        rate = done / max(now - self._start, 1e-9)
        left = duration((total - done) / max(rate, 1e-9))
        line = f'{done:,}/{total:,} {self._unit}, {rate:,.0f} a second, {left} left'
        self._stream.write(f'\r\x1b[K{line}' if self._terminal else f'{line}\n')
        self._stream.flush()

    def close(self) -> None:
        """Leaves the terminal's line."""
        if self._terminal:
            self._stream.write('\n')


class Meter:
    """Examples a second and the share of time that input was waited for, since it was made.

    Attributes:
        examples: Counted so far.
    """

    def __init__(self):
        self._start, self._waited, self.examples = time.monotonic(), 0.0, 0

    def add(self, examples: int) -> None:
        """Counts examples."""
        self.examples += examples

    def waiting(self) -> 'Meter':
        """A context whose time counts as waiting."""
        return self

    def __enter__(self):
        self._since = time.monotonic()

    def __exit__(self, *_):
        self._waited += time.monotonic() - self._since

    def rate(self) -> float:
        """Examples a second."""
        return self.examples / max(time.monotonic() - self._start, 1e-9)

    def wait_share(self) -> float:
        """Share of the time spent waiting, in [0, 1]."""
        return self._waited / max(time.monotonic() - self._start, 1e-9)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(59.6), duration(605), duration(7265)
    ('1:00', '10:05', '2:01:05')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'
