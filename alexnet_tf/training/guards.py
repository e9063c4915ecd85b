"""Stopping between steps, when somebody asks."""

import contextlib
import signal
from collections.abc import Iterator


class Stopped(Exception):
    """Training was asked to stop, and saved; `exit_code` is 128 plus the signal's number."""

    def __init__(self, number: int):
        name = signal.Signals(number).name
        super().__init__(f'stopped by {name} after saving; the same command goes on from there')
        self.exit_code = 128 + number


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    def __init__(self):
        self.number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turns the first SIGINT or SIGTERM into a request; the second one acts as it always does."""
    request, before = StopRequest(), {}

    def ask(number, _):
        request.number = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.signal(each, ask)
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
