"""How long things take."""

import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

WARM_UP = 2
_MATRIX = 4096


def seconds(call: Callable[[], object], runs: int) -> list[float]:
    """The duration of each of `runs` calls, after some that do not count."""
    taken = []
    for number in range(WARM_UP + runs):
        tf.test.experimental.sync_devices()
        start = time.perf_counter()
        call()
        tf.test.experimental.sync_devices()
        if number >= WARM_UP:
            taken.append(time.perf_counter() - start)
    return taken


def matrix_product_rate(dtype: str, device: str, runs: int) -> float:
    """Floating-point operations a second in a product of two 4096x4096 matrices: the median."""
    with tf.device(device):
        a, b = (tf.cast(tf.random.normal((_MATRIX, _MATRIX)), dtype) for _ in range(2))
        product = tf.function(lambda: tf.matmul(a, b))
        return 2 * _MATRIX**3 / statistics.median(seconds(product, runs))


def peak_memory_bytes(devices: Sequence[str]) -> int:
    """The most that was held at once: by TensorFlow on GPUs, by this process on CPUs."""
    gpus = [each for each in devices if 'GPU' in each.upper()]
    if gpus:
        return sum(tf.config.experimental.get_memory_info(each)['peak'] for each in gpus)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_turns(
    measures: Mapping[str, Callable[[], Mapping[str, float]]], runs: int
) -> dict[str, dict[str, float]]:
    """Measures several things in turn, so that what else the machine does falls on all of them.

    Args:
        measures: By name; each gives `rate`, in images a second, and `cores` used.
        runs: Rounds.

    Returns:
        By name, medians and the range.
    """
    found = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            found[name].append(measure())
    return {
        name: {
            'images_per_sec': statistics.median(each['rate'] for each in rows),
            'images_per_sec_low': min(each['rate'] for each in rows),
            'images_per_sec_high': max(each['rate'] for each in rows),
            'cores_used': statistics.median(each['cores'] for each in rows),
        }
        for name, rows in found.items()
    }
