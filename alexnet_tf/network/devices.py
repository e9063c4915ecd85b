"""Names of devices."""

from collections.abc import Sequence

import tensorflow as tf


def check(devices: Sequence[str]) -> None:
    """Refuses devices that this machine does not have.

    TensorFlow would quietly put their operations elsewhere.

    Raises:
        ValueError: A name that is no device's, or of a device that is not there.
    """
    there = [each.name for each in tf.config.list_logical_devices()]
    for device in devices:
        spec = tf.DeviceSpec.from_string(device)
        if not any(_is(spec, tf.DeviceSpec.from_string(each)) for each in there):
            raise ValueError(f'{device}: no such device. This machine has {", ".join(there)}.')


def default() -> str:
    """Where TensorFlow puts what no scope places: the first GPU, or else the CPU."""
    names = [each.name for each in tf.config.list_logical_devices()]
    return next((name for name in names if 'GPU' in name), names[0])


def _is(asked: tf.DeviceSpec, there: tf.DeviceSpec) -> bool:
    return (asked.device_type, asked.device_index or 0) == (there.device_type, there.device_index)
