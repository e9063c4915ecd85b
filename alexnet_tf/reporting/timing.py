"""How long things take."""

import resource
import statistics
import time
from collections.abc import Callable, Sequence

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
