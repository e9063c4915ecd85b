"""Measures durations, rates and memory."""

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

_WARM_UP = 2  # calls that are not counted
_MATRIX_SIZE = 4096
_GPU_PRODUCTS = 32  # in a row, since one takes less time than synchronising
_COPIED_BYTES = 256 << 20
_SECONDS = 3.0  # of one measurement of a stream


class Rate(NamedTuple):
    """A rate that was measured once.

    Attributes:
        images_per_sec: Images per second.
        cores_used: CPU seconds per second.
    """

    images_per_sec: float
    cores_used: float


class Stopwatch:
    """Measures wall and CPU time since it was created."""

    def __init__(self):
        self._start, self._cpu_start = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Wall time in seconds."""
        return time.perf_counter() - self._start

    def compute_rate(self, images: int) -> Rate:
        """Returns the rate at which so many images were processed since the start."""
        seconds = self.seconds
        return Rate(images / seconds, (time.process_time() - self._cpu_start) / seconds)


def measure_calls(call: Callable[[], object], runs: int) -> list[float]:
    """Measures the seconds of each of `runs` calls, after some that are not counted."""
    durations = []
    for index in range(_WARM_UP + runs):
        tf.test.experimental.sync_devices()
        watch = Stopwatch()
        call()
        tf.test.experimental.sync_devices()
        if index >= _WARM_UP:
            durations.append(watch.seconds)
    return durations


def measure_call(call: Callable[[], object], images: int, *, calls: int = 1) -> Rate:
    """Measures some calls that process `images` images each."""
    watch = Stopwatch()
    for _ in range(calls):
        call()
    return watch.compute_rate(images * calls)


def measure_stream(batch_sizes: Iterator[int], *, min_batches: int = 1) -> Rate:
    """Measures a stream for some seconds, after its first item and half as many seconds.

    Args:
        batch_sizes: Yields the size of each batch when the batch is ready.
        min_batches: Batches to measure even if they take longer.
    """
    next(batch_sizes)  # the first creates the stream
    for share in (0.5, 1.0):
        watch, images, batches = Stopwatch(), 0, 0
        while watch.seconds < share * _SECONDS or batches < share * min_batches:
            images += next(batch_sizes)
            batches += 1
        rate = watch.compute_rate(images)
    return rate


def measure_in_turns(
    measurements: Mapping[str, Callable[[], Rate]], rounds: int
) -> dict[str, dict[str, float]]:
    """Measures several things in turns, so that other load on the machine affects all of them.

    Args:
        measurements: Functions that measure once, by name.
        rounds: How often each is called.

    Returns:
        By name, the medians and the range of images per second.
    """
    turns = [[measure() for measure in measurements.values()] for _ in range(rounds)]
    results = {}
    for name, rates in zip(measurements, zip(*turns, strict=True), strict=True):
        images_per_sec, cores_used = zip(*rates, strict=True)
        results[name] = {
            'images_per_sec': statistics.median(images_per_sec),
            'images_per_sec_low': min(images_per_sec),
            'images_per_sec_high': max(images_per_sec),
            'cores_used': statistics.median(cores_used),
        }
    return results


def format_range(result: Mapping[str, Any], spec: str) -> str:
    """Formats the lowest and the highest images per second, each by a format specification.

    >>> format_range({'images_per_sec_low': 1200.0, 'images_per_sec_high': 1310.4}, ',.0f')
    '1,200 to 1,310'
    """
    return f'{result["images_per_sec_low"]:{spec}} to {result["images_per_sec_high"]:{spec}}'


def measure_matmul(dtype: str, devices: Sequence[str], runs: int) -> float:
    """Measures floating-point operations per second of a 4096x4096 matrix product: the median.

    The speeds of several GPUs are added; of logical CPUs, which share the cores, one is measured.
    """
    gpus = _list_gpus(devices)
    number = _GPU_PRODUCTS if gpus else 1
    rates = []
    for device in gpus or devices[:1]:
        with tf.device(device):
            shape = (_MATRIX_SIZE, _MATRIX_SIZE)
            a, b = (tf.cast(tf.random.normal(shape), dtype) for _ in range(2))
            multiply = tf.function(lambda a=a, b=b: tf.matmul(a, b))
            durations = measure_calls(lambda f=multiply: [f() for _ in range(number)], runs)
        rates.append(number * 2 * _MATRIX_SIZE**3 / statistics.median(durations))
    return sum(rates)


def measure_copy(runs: int) -> float:
    """Measures bytes per second of a copy in memory on one core, larger than caches: the median."""
    source = np.ones(_COPIED_BYTES, np.uint8)
    target = source.copy()
    seconds = statistics.median(measure_calls(lambda: np.copyto(target, source), runs))
    return _COPIED_BYTES / seconds


def reset_peak_memory(devices: Sequence[str]) -> None:
    """Resets the peak memory of the GPUs among the devices; that of a process cannot be reset."""
    for gpu in _list_gpus(devices):
        tf.config.experimental.reset_memory_stats(gpu)


def read_peak_memory(devices: Sequence[str]) -> int:
    """Reads the peak memory in bytes: TensorFlow's on GPUs, this process's on CPUs."""
    gpus = _list_gpus(devices)
    if gpus:
        return sum(tf.config.experimental.get_memory_info(gpu)['peak'] for gpu in gpus)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _list_gpus(devices: Sequence[str]) -> list[str]:
    return [device for device in dict.fromkeys(devices) if 'GPU' in device.upper()]
