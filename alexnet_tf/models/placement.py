"""Names of devices, and what they can."""

import contextlib
import pathlib
from collections.abc import Sequence

import tensorflow as tf

# As Linux calls what an x86 processor has of its own for a precision.
_ARITHMETIC = {'bfloat16': {'avx512_bf16', 'amx_bf16'}, 'float16': {'avx512_fp16', 'amx_fp16'}}
_CPUINFO = pathlib.Path('/proc/cpuinfo')


def check_devices(devices: Sequence[str]) -> None:
    """Refuses devices that this machine does not have.

    TensorFlow would quietly put their operations elsewhere.

    Raises:
        ValueError: A name that is no device's, or of a device that is not there.
    """
    there = [each.name for each in tf.config.list_logical_devices()]
    for device in devices:
        try:
            spec = tf.DeviceSpec.from_string(device)
        except ValueError as error:
            raise ValueError(f'{device}: not the form of a device, as /GPU:0 is.') from error
        if not any(_is(spec, tf.DeviceSpec.from_string(each)) for each in there):
            raise ValueError(f'{device}: no such device. This machine has {", ".join(there)}.')


def create_logical_cpus(devices: Sequence[str]) -> None:
    """Divides the CPU in two logical devices where '/CPU:1' is asked for: to try two columns.

    Only before TensorFlow has looked for devices; afterwards `check` refuses what is not there.
    """
    cpus = tf.config.list_physical_devices('CPU')
    if len(cpus) == 1 and any(each.upper().endswith('CPU:1') for each in devices):
        with contextlib.suppress(RuntimeError):  # TensorFlow has looked already
            halves = [tf.config.LogicalDeviceConfiguration()] * 2
            tf.config.set_logical_device_configuration(cpus[0], halves)


def get_default_device() -> str:
    """Where TensorFlow puts what no scope places: the first GPU, or else the CPU."""
    names = [each.name for each in tf.config.list_logical_devices()]
    return next((name for name in names if 'GPU' in name), names[0])


def is_emulated(precision: str, devices: Sequence[str], cpuinfo: pathlib.Path = _CPUINFO) -> bool:
    """Whether a CPU among the devices only imitates a precision; False where that is not known.

    Args:
        precision: 'float32', 'bfloat16' or 'float16'.
        devices: Names, as '/device:CPU:0'.
        cpuinfo: Linux' list of what a processor has.
    """
    if precision not in _ARITHMETIC or not any('CPU' in each.upper() for each in devices):
        return False
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = {word for line in lines if line.startswith('flags') for word in line.split()}
    return bool(flags) and not flags & _ARITHMETIC[precision]


def _is(asked: tf.DeviceSpec, there: tf.DeviceSpec) -> bool:
    return (asked.device_type, asked.device_index or 0) == (there.device_type, there.device_index)
