"""Stopping between steps, when somebody asks; saying so when nothing is learned."""

import contextlib
import math
import signal
import time
from collections.abc import Iterator

_LOOK_SECS = 0.2
_PATIENT_EPOCHS, _CHANCE_SHARE, _CURE = 3, 0.97, 0.03


def chance_warning(
    epoch: int, loss: float, num_classes: int, *, initial_sd_middle: float
) -> str | None:
    """What to say when training has not left chance after a few epochs; None when it has.

    Args:
        epoch: Epochs done.
        loss: Mean training loss of the last one, nats.
        num_classes: Guessing costs the logarithm of it.
        initial_sd_middle: Of conv3 to conv5.
    """
    chance = math.log(num_classes)
    if epoch < _PATIENT_EPOCHS or loss < _CHANCE_SHARE * chance:
        return None
    said = f'no better than chance after {epoch} epochs (loss {loss:.3f}, chance {chance:.3f})'
    if initial_sd_middle < _CURE:
        return (
            f'{said}. Initial weights of sd {initial_sd_middle:g} in conv3 to conv5 let little '
            f'signal through; --initial_sd_middle={_CURE} (as --recipe=source2012 has) gets off '
            'this plateau sooner.'
        )
    return f'{said}. Look at the labels, or try another --learning_rate.'


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


def wait_for_stop() -> None:
    """Returns when SIGINT or SIGTERM asks to stop."""
    with stop_requests() as request:
        while not request:
            time.sleep(_LOOK_SECS)
