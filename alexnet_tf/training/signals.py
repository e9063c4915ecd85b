"""Stopping between steps, when somebody asks; saying so when nothing is learned."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf

from alexnet_tf.training import distribution
from input_pipeline import errors

_LOOK_SECS = 0.2
_PATIENT_EPOCHS, _PATIENT_STEPS, _CHANCE_SHARE, _CURE = 3, 2000, 0.97, 0.03
_PATIENT_SECS = 60.0
_MANY_DEAD = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def chance_warning(
    epoch: int,
    step: int,
    loss: float,
    num_classes: int,
    *,
    initial_sd_middle: float | None,
    dead_units: Mapping[str, float],
) -> str | None:
    """What to say when training has not left chance after a while; None when it has.

    Args:
        epoch, step: Done.
        loss: Mean training loss of the last epoch, nats.
        num_classes: Guessing costs the logarithm of it.
        initial_sd_middle: Of conv3 to conv5; None for a network without them.
        dead_units: Shares by layer.
    """
    chance = math.log(num_classes)
    early = epoch < _PATIENT_EPOCHS and step < _PATIENT_STEPS
    if early or not loss > _CHANCE_SHARE * chance:
        return None
    said = f'no better than chance after {step:,} steps (loss {loss:.3f}, chance {chance:.3f})'
    shares = ', '.join(f'{layer} {100 * share:.0f} %' for layer, share in dead_units.items())
    if shares:
        said += f'; units that no picture wakes: {shares}'
    if any(share > _MANY_DEAD for share in dead_units.values()):
        return f'{said}. Where most units of a layer are dead, the learning rate was too high.'
    if initial_sd_middle is not None and initial_sd_middle < _CURE:
        return (
            f'{said}. Initial weights of sd {initial_sd_middle:g} in conv3 to conv5 let little '
            f'signal through; --initial_sd_middle={_CURE} (as --recipe=source2012 has) gets off '
            'this plateau sooner.'
        )
    return f'{said}. Look at the labels, or try another --learning_rate.'


def precision_warning(precision: str) -> str:
    """What to say where a processor only imitates a precision."""
    return (
        f'this processor has no {precision} arithmetic and imitates it, which can take ten times '
        'as long as float32 (docs/results/newcomer.md). Try --precision=float32 in another '
        '--run_dir.'
    )


class Stopped(Exception):
    """Training was asked to stop, and saved; `exit_code` is 128 plus the signal's number."""

    def __init__(self, number: int):
        name = signal.Signals(number).name
        super().__init__(f'stopped by {name} after saving; the same command goes on from there')
        self.exit_code = 128 + number


class NotFinite(Exception):
    """The loss or a gradient is no number; nothing of it was learned."""

    exit_code = 4

    def __init__(self, step: int, epoch: int, rate: float, file: str):
        super().__init__(
            f'step {step:,} (epoch {epoch + 1}, rate {rate:g}) gave a loss or a gradient that is '
            f'no number; it was not learned, and the last checkpoint stands. {file} has examples '
            'and norms by layer. Try --on_nonfinite=rollback; or a lower --learning_rate, in '
            'another --run_dir.'
        )


class Diverged(Exception):
    """The network answers with what is no number."""

    exit_code = 4

    def __init__(self, step: int, epoch: int, rate: float):
        super().__init__(
            f'after step {step:,} (epoch {epoch + 1}, rate {rate:g}) the network answers '
            'validation pictures with what is no number. This epoch is not kept, and the last '
            'checkpoint stands. Try a lower --learning_rate in another --run_dir.'
        )


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

    for each in _SIGNALS:
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


def agreed(copies: distribution.One, stop: StopRequest) -> int | None:
    """The signal that asked any of the workers to stop: the same for all, after the same step."""
    asked = copies.total([float(stop.number == each) for each in _SIGNALS])
    return next((each for each, number in zip(_SIGNALS, asked, strict=True) if number), None)


def check_agreed(copies: distribution.One, numbers: Mapping[str, int]) -> None:
    """Refuses workers that were begun differently.

    Args:
        copies: Of all workers.
        numbers: What must be the same for all, by what it is; below 2**40.

    Raises:
        DataError: On every worker, that something is not.
    """
    sums = copies.total([float(number) for number in numbers.values()])
    squares = copies.total([(number % 2**20) ** 2 for number in numbers.values()])
    differing = [
        name
        for (name, number), total, square in zip(numbers.items(), sums, squares, strict=True)
        if total != copies.workers * number or square != copies.workers * (number % 2**20) ** 2
    ]
    if any(copies.total([float(bool(differing))])):
        which = ', '.join(differing) or 'the others say in what'
        raise errors.DataError(
            f'the workers of this cluster were begun differently ({which}). Give all the same '
            'flags and records, and a --run_dir that all of them see.'
        )


class WorkerLost(Exception):
    """Another worker of the cluster has gone away."""

    exit_code = 1


@contextlib.contextmanager
def workers_lost(copies: distribution.One) -> Iterator[None]:
    """Says what it means when the workers of a cluster no longer hear each other."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if copies.workers == 1:
            raise
        raise WorkerLost(
            'another worker has gone away. Run the same command again on every host: it goes on '
            'from the newest checkpoint.'
        ) from error


@contextlib.contextmanager
def patience(say: Callable[[str], None], service: str = '') -> Iterator[None]:
    """Says so when the block waits long for input, from a data service if one is named."""
    why = (
        f'--data_service={service} has no workers, or slow ones.'
        if service
        else 'the storage of --data_dir is stalled, or slow. --cache=disk copies the records to '
        'this machine first.'
    )
    what = f'train: warning: no batch for {_PATIENT_SECS:.0f} seconds: {why}'
    waiting = threading.Timer(_PATIENT_SECS, say, (what,))
    waiting.daemon = True
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()
