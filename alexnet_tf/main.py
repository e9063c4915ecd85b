"""argv -> Config -> one command. The only reader of the command line."""

import contextlib
import ctypes
import dataclasses
import errno
import importlib
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import TextIO

from alexnet_tf.config import environment, flags, help_text, schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.training import signals
from input_pipeline import errors, escaping, startup

_DISK_ERRORS = (
    *(errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EFBIG),
    *errors.LOST_DISK,
)
_PATH_ADVICE = {
    FileNotFoundError: 'Name another path, in a directory that exists.',
    PermissionError: 'Name another path, or change its permissions.',
    **dict.fromkeys(
        (FileExistsError, IsADirectoryError, NotADirectoryError),
        'Name another path, or remove what is in the way.',
    ),
}
_OBJECT_STORE = re.compile(r'\b(gs|s3|az)://|HTTP request')
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_EXIT_INTERNAL, _EXIT_USAGE, _EXIT_DISK, _EXIT_INTERRUPTED, _EXIT_PIPE = 1, 2, 5, 130, 141
_EXIT_TERMINATED = 143
_OUT_OF_MEMORY = (
    'out of memory. Give a smaller --eval_batch_size; to train, --accumulate_steps=2 or more, or '
    'another --run_dir and a smaller --batch_size or --width; to prepare, a smaller --workers.'
)
_NO_OUTPUT = 'standard output is closed. Send it to a file, or to /dev/null.'
_MODULES = {'import': 'import_weights'}  # for modes that are Python keywords
_HELP = ('--help', '-help', '-h')
_FULL_HELP = ('--helpfull', '-helpfull')


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit status (docs/reference/exit-status.md).

    Args:
        argv: The program and its flags; those of the process if None.
    """
    argv, has_output = sys.argv if argv is None else argv, sys.stdout is not None
    startup.open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):  # file names may be invalid in every encoding
            stream.reconfigure(errors='backslashreplace')
    try:
        status = _run_command_line(argv) if has_output else _fail(_NO_OUTPUT, _EXIT_USAGE)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output(sys.stdout, sys.stderr)
        return _EXIT_PIPE
    except OSError as error:  # the buffer cannot be written, as on a full disk
        _drop_output(sys.stdout)
        return _fail(*_explain(error))
    return status


def _drop_output(*streams: TextIO) -> None:
    """Discards what streams still hold, which Python would write at exit."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run_command_line(argv: Sequence[str]) -> int:
    debug = '--debug' in argv or '--debug=true' in argv
    try:
        if len(argv) == 1:
            print(help_text.describe_program(), file=sys.stderr)
            return _EXIT_USAGE
        if set(argv[1:]) & {*_HELP, *_FULL_HELP}:
            print(_help_page(argv))
            return 0
        config = flags.parse(argv)
        debug = config.debug
        _run(config)
    except _Terminated:
        return _fail('stopped by SIGTERM. Run the same command again.', _EXIT_TERMINATED, debug)
    except KeyboardInterrupt:
        return _fail('interrupted. Run the same command again.', _EXIT_INTERRUPTED, debug)
    except BrokenPipeError:
        raise
    except Exception as error:
        return _fail(*_explain(error), debug)
    return 0


def _run(config: schema.Config) -> None:
    """Imports TensorFlow and the module of `--mode`, and runs the command."""
    environment.check_backend()
    _keep_freed_memory()
    if not config.debug:
        # Errors too: Python raises them, and oneDNN logs one for uint8 on any CPU without AVX-512.
        os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    with contextlib.nullcontext() if config.debug else startup.suppress_stderr():
        name = _MODULES.get(config.mode, config.mode)
        command = importlib.import_module(f'alexnet_tf.commands.{name}')
        tensorflow = importlib.import_module('tensorflow')
        if config.mode == 'prepare':  # which gives each image a thread, and each thread a core
            with contextlib.suppress(RuntimeError):  # it has started
                tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.list_physical_devices()
    environment.reset_keras()
    with signals.raise_on(signal.SIGTERM, _Terminated), _plain_warnings(config.mode):
        following = command.run(config)
    if following:
        print(f'{config.mode}: next: {_describe_next(*following)}')


def _describe_next(config: schema.Config, mode: str) -> str:
    """Returns the command line of the mode that comes next."""
    if mode != 'predict':
        return serialization.to_command(config, mode)
    views = config.evaluation.views[-1:]  # evaluation takes each in turn, predict only one
    evaluation = dataclasses.replace(config.evaluation, views=views)
    command = serialization.to_command(dataclasses.replace(config, evaluation=evaluation), mode)
    return f'{command} IMAGE.jpg'


@contextlib.contextmanager
def _plain_warnings(mode: str) -> Iterator[None]:
    """Shows Python's warnings as lines of a command, without the source that gave them."""
    default = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: (
        f'{mode}: warning: {escaping.escape_lines(str(message))}\n'
    )
    try:
        yield
    finally:
        warnings.formatwarning = default


class _Terminated(BaseException):
    """SIGTERM as an exception, like KeyboardInterrupt for SIGINT, so that blocks clean up."""

    exit_code = _EXIT_TERMINATED


def _help_page(argv: Sequence[str]) -> str:
    """Returns what --help prints, given the other flags."""
    hyperparameters = {name: vars(recipe) for name, recipe in recipes.RECIPES.items()}
    if set(argv) & {*_FULL_HELP}:
        return help_text.reference_page(hyperparameters)
    settings = flags.parse_settings([flag for flag in argv if flag not in _HELP])
    if 'mode' not in settings:
        return help_text.describe_program()
    is_import = settings['mode'] == 'import'
    recipe = settings.get('recipe', schema.ANY_RECIPE if is_import else schema.Network.recipe)
    hyperparameters[schema.ANY_RECIPE] = {}
    return help_text.describe_mode(settings['mode'], recipe, hyperparameters)


def _keep_freed_memory() -> None:
    """Lets glibc keep more of the memory that is freed; without glibc it does nothing.

    Batches and records are allocated and freed all the time. Getting every page anew
    from the kernel would take a quarter of the time of reading raw records.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def _fail(message: str, status: int, debug: bool = False) -> int:
    if debug:
        traceback.print_exc()
    kind = '' if status in (_EXIT_INTERRUPTED, _EXIT_TERMINATED) else 'error: '
    print(f'alexnet_tf: {kind}{escaping.escape_lines(message)}', file=sys.stderr)
    return status


def _explain(error: Exception) -> tuple[str, int]:
    """Returns a message that says what to do, and the exit status."""
    if _is_disk_error(error):
        number, action = getattr(error, 'errno', None), 'Free space or name another directory'
        if number == errno.EROFS:
            action = 'Name another directory'
        elif number in errors.LOST_DISK:
            action = 'Connect the disk again'
        return f'{error}. {action}, then run the same command again.', _EXIT_DISK
    if _is_object_store_error(error):
        advice = 'Check the name, the credentials, and that this TensorFlow reads it.'
        return f'{" ".join(str(error).split())}. {advice}', _EXIT_DISK
    if getattr(error, 'errno', None) in (errno.EMFILE, errno.ENFILE):
        return f'{error}. Allow more open files (ulimit -n).', _EXIT_USAGE
    if getattr(error, 'errno', None) in (errno.ENAMETOOLONG, errno.ELOOP):
        return f'{error}. Give one path that exists.', _EXIT_USAGE
    if advice := _PATH_ADVICE.get(type(error)):
        return f'{error}. {advice}', _EXIT_USAGE
    if _is_out_of_memory(error):
        return _OUT_OF_MEMORY, _EXIT_USAGE
    if hasattr(error, 'exit_code'):
        return str(error), error.exit_code
    advice = '(internal error; run again with --debug)'
    return f'{type(error).__name__}: {error} {advice}', _EXIT_INTERNAL


def _is_disk_error(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    # TensorFlow's writers give the reason in words only.
    reasons = map(os.strerror, _DISK_ERRORS)
    return _is_tensorflow_error(error) and any(reason in str(error) for reason in reasons)


def _is_object_store_error(error: Exception) -> bool:
    """Returns whether a path or a protocol of an object store is in the message."""
    is_of_files = isinstance(error, OSError) or _is_tensorflow_error(error)
    is_named = _OBJECT_STORE.search(str(error)) is not None
    return is_of_files and is_named and not _is_out_of_memory(error)


def _is_tensorflow_error(error: Exception) -> bool:
    return type(error).__module__.startswith('tensorflow')


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == 'ResourceExhaustedError'


if __name__ == '__main__':
    sys.exit(main())
