"""The environment of the program: its start time, and the user's settings of Keras."""

import json
import os
import pathlib
import sys
import time

_started = time.monotonic()


def measure_age() -> float:
    """Returns the seconds since the command started, before TensorFlow was imported."""
    return time.monotonic() - _started


def restart_clock() -> None:
    """Restarts the clock for a command that a program calls."""
    global _started
    _started = time.monotonic()


class BackendError(ImportError):
    """Keras does not run on TensorFlow, or the system is Windows.

    Attributes:
        exit_code: The process's exit status if nothing catches the error.
    """

    exit_code = 2


def check_backend() -> None:
    """Checks, without importing Keras, that its backend is TensorFlow and the system not Windows.

    Raises:
        BackendError: Keras runs on another backend, or the system is Windows.
    """
    if sys.platform == 'win32':
        raise BackendError('alexnet_tf runs on Linux. On Windows, use it in WSL 2.')
    backend, origin = _find_backend()
    if backend != 'tensorflow':
        raise BackendError(
            f'Keras is set to run on {backend} ({origin}), but alexnet_tf needs TensorFlow. Set '
            'KERAS_BACKEND=tensorflow before Python starts.'
        )


def reset_keras() -> None:
    """Resets what a user's keras.json may have set, if Keras is imported.

    For the command line only: other programs may have set it themselves, for their own models.
    """
    if keras := sys.modules.get('keras'):
        keras.config.set_floatx('float32')
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format('channels_last')


def _find_backend() -> tuple[str, str]:
    """Finds the backend, as Keras does, and the setting it comes from."""
    loaded = getattr(sys.modules.get('keras'), 'config', None)
    variable, file = os.environ.get('KERAS_BACKEND'), _find_settings_file()
    origin = f'KERAS_BACKEND={variable}' if variable else str(file)
    if loaded:
        return loaded.backend(), origin
    if variable:
        return variable, origin
    try:
        return json.loads(file.read_text()).get('backend', 'tensorflow'), origin
    except (OSError, ValueError):
        return 'tensorflow', origin


def _find_settings_file() -> pathlib.Path:
    if 'KERAS_HOME' in os.environ:
        return pathlib.Path(os.path.expanduser(os.environ['KERAS_HOME'])) / 'keras.json'
    home = pathlib.Path(os.path.expanduser('~'))  # '~' for a user whom the system does not know
    return (home if os.access(home, os.W_OK) else pathlib.Path('/tmp')) / '.keras' / 'keras.json'
