"""Signal handlers that request a stop between two steps, or raise an exception at once."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_POLL_SECS = 0.2
_SAME_SECS = 1.0  # in which a process manager and a parent may both send SIGTERM


class Stopped(Exception):
    """Training stopped because a signal asked for it, after a checkpoint was saved.

    Args:
        number: The number of the signal.
        step: Step of the checkpoint.

    Attributes:
        exit_code: 128 plus the number of the signal.
    """

    def __init__(self, number: int, step: int | None = None):
        name = 'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name
        place = '' if step is None else f' at step {step:,}'
        super().__init__(f'stopped by {name}; saved{place}; the same command resumes')
        self.exit_code = 128 + number


class StopRequest:
    """A request to stop, true once a signal has come.

    Attributes:
        number: The number of the signal; None before one came.
    """

    def __init__(self, number: int | None = None):
        self.number = number

    def __bool__(self) -> bool:
        return self.number is not None


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turns the first SIGINT or SIGTERM into a request; the next one acts as it did before.

    A second SIGTERM within a second is the same request.
    """
    request, handlers, asked_at = StopRequest(), contextlib.ExitStack(), -math.inf

    def ask(number, _):
        nonlocal asked_at
        now = time.monotonic()
        if not request:
            request.number, asked_at = number, now
        elif number != signal.SIGTERM or now - asked_at > _SAME_SECS:
            handlers.close()
            signal.raise_signal(number)

    with handlers:
        for number in STOP_SIGNALS:
            handlers.enter_context(handle(number, ask))
        yield request


def wait_for_stop() -> None:
    """Returns when SIGINT or SIGTERM asks to stop."""
    with stop_requests() as request:
        while not request:
            time.sleep(_POLL_SECS)


@contextlib.contextmanager
def raise_on(number: int, exception: type[BaseException]) -> Iterator[None]:
    """Raises an exception in the block when a signal comes, unless the process ignores it."""

    def raise_exception(*_):
        raise exception

    ignored = signal.getsignal(number) == signal.SIG_IGN  # as under nohup
    with contextlib.nullcontext() if ignored else handle(number, raise_exception):
        yield


@contextlib.contextmanager
def handle(number: int, handler: Callable) -> Iterator[None]:
    """Installs a signal handler for the block; outside of the main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, previous)
