"""The devices that TensorFlow has, and which precisions they compute in."""

import contextlib
import pathlib
from collections.abc import Sequence

import tensorflow as tf

# Linux' names for arithmetic in a precision, of x86 processors and of ARM's.
_ARITHMETIC = {
    'bfloat16': {'avx512_bf16', 'amx_bf16', 'bf16'},
    'float16': {'avx512_fp16', 'amx_fp16', 'asimdhp'},
}
_BFLOAT16_CAPABILITY = (8, 0)  # of NVIDIA's GPUs: from Ampere on
_CPUINFO = pathlib.Path('/proc/cpuinfo')


def check_devices(devices: Sequence[str]) -> None:
    """Refuses devices that this machine does not have.

    TensorFlow would silently put their operations elsewhere.

    Args:
        devices: Names, such as '/GPU:0'.

    Raises:
        ValueError: A name has another form, or there is no such device.
    """
    if isinstance(devices, str):
        raise ValueError(f'devices={devices!r}: expected a list of names.')
    available = [device.name for device in tf.config.list_logical_devices()]
    known = {_parse(name) for name in available}
    for device in devices:
        try:
            parsed = _parse(device)
        except ValueError as error:
            raise ValueError(f'{device}: expected the name of a device, such as /GPU:0.') from error
        if parsed not in known:
            message = f'{device}: no such device. This machine has {", ".join(available)}.'
            if parsed == _parse('/CPU:1'):
                message += (
                    ' It divides the CPU in two only before TensorFlow has started: restart Python '
                    'and build this network first.'
                )
            raise ValueError(message)


def create_logical_cpus(devices: Sequence[str]) -> None:
    """Divides the CPU into two logical devices if '/CPU:1' is among the devices.

    Two columns can then be tried on one CPU. It has an effect only before TensorFlow looks for
    devices; afterwards `check_devices` refuses '/CPU:1'.

    Args:
        devices: Names, such as '/CPU:1'.
    """
    cpus = tf.config.list_physical_devices('CPU')
    if len(cpus) == 1 and any(name.upper().endswith('CPU:1') for name in devices):
        with contextlib.suppress(RuntimeError):  # TensorFlow has looked already
            halves = [tf.config.LogicalDeviceConfiguration()] * 2
            tf.config.set_logical_device_configuration(cpus[0], halves)


def get_default_device() -> str:
    """Returns the device of operations without a scope: the first GPU, or else the CPU."""
    names = [device.name for device in tf.config.list_logical_devices()]
    return next((name for name in names if 'GPU' in name), names[0])


def is_emulated(precision: str, devices: Sequence[str], cpuinfo: pathlib.Path = _CPUINFO) -> bool:
    """Returns whether one of the devices is known to emulate a precision, which is slow.

    Args:
        precision: 'float32', 'bfloat16' or 'float16'.
        devices: Names, such as '/device:CPU:0'.
        cpuinfo: Linux' list of the processor's features; without it, a CPU is not known.
    """
    return any(_has_arithmetic(precision, device, cpuinfo) is False for device in devices)


def computes_bfloat16(devices: Sequence[str], cpuinfo: pathlib.Path = _CPUINFO) -> bool:
    """Returns whether all devices are known to compute in bfloat16, faster than in float32.

    Args:
        devices: Names, such as '/device:CPU:0'.
        cpuinfo: Linux' list of the processor's features; without it, a CPU is not known.
    """
    return all(_has_arithmetic('bfloat16', device, cpuinfo) for device in devices)


def _has_arithmetic(precision: str, device: str, cpuinfo: pathlib.Path) -> bool | None:
    """Returns whether a device has arithmetic in a precision; None if that is not known."""
    if precision not in _ARITHMETIC:
        return True
    kind, index = _parse(device)
    if kind == 'CPU':
        lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
        features = (line for line in lines if line.startswith(('flags', 'Features')))
        known = {word for line in features for word in line.split()}
        return bool(known & _ARITHMETIC[precision]) if known else None
    if kind == 'GPU' and precision == 'bfloat16':
        capability = _read_capability(index)
        return capability >= _BFLOAT16_CAPABILITY if capability else None
    return True


def _read_capability(index: int) -> tuple[int, int] | None:
    """Reads the compute capability of a GPU; None if it has none, or there is no such GPU."""
    gpus = tf.config.list_physical_devices('GPU')
    details = tf.config.experimental.get_device_details(gpus[index]) if index < len(gpus) else {}
    return details.get('compute_capability')


def _parse(device: str) -> tuple[str, int]:
    spec = tf.DeviceSpec.from_string(device)
    return spec.device_type, spec.device_index or 0
