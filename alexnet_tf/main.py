"""argv -> Config -> one workflow. The only reader of the command line."""

import contextlib
import ctypes
import errno
import importlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Sequence

from alexnet_tf.config import flags
from input_pipeline import startup

_DISK_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EFBIG)
_PATH_ERRORS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
_STORE = re.compile(r'\b(gs|s3|az)://|HTTP request')
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_EXIT_INTERNAL, _EXIT_USAGE, _EXIT_DISK, _EXIT_INTERRUPTED, _EXIT_PIPE = 1, 2, 5, 130, 141
_EXIT_TERMINATED = 143
_COMMANDS = {'everything': 'all', 'draw': 'plot'}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; the result is the process's exit status (README lists them)."""
    argv = sys.argv if argv is None else argv
    if any(each in ('--help', '-h', '-help', '--helpfull') for each in argv[1:]):
        print(flags.help_text())
        return 0
    debug = '--debug' in argv or '--debug=true' in argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):  # a file's name may be in no encoding at all
            stream.reconfigure(errors='backslashreplace')
    _keep_freed_memory()
    try:
        config = flags.parse(argv)
        debug = config.debug
        with contextlib.nullcontext() if debug else startup.unheard():
            workflow = importlib.import_module(
                f'alexnet_tf.commands.{_COMMANDS.get(config.mode, config.mode)}'
            )
            importlib.import_module('tensorflow').config.list_physical_devices()
        with _sigterm_raised():
            workflow.run(config)
    except _Terminated:
        return _failed('stopped by SIGTERM; run the same command again', _EXIT_TERMINATED, debug)
    except KeyboardInterrupt:
        return _failed('interrupted; run the same command again', _EXIT_INTERRUPTED, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return _EXIT_PIPE
    except Exception as error:
        return _failed(_message(error), _exit_code(error), debug)
    return 0


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: what is half done is taken away."""


@contextlib.contextmanager
def _sigterm_raised():
    def terminated(*_):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep_freed_memory() -> None:
    """Has glibc keep more of what is freed, where there is glibc.

    Batches and records are freed and asked for again all the time; to get each page anew from the
    kernel costs a quarter of the time of reading raw records.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f'alexnet_tf: error: {message}', file=sys.stderr)
    return code


def _exit_code(error: Exception) -> int:
    if _of_the_disk(error) or _of_a_store(error):
        return _EXIT_DISK
    if isinstance(error, _PATH_ERRORS) or _of_the_memory(error):
        return _EXIT_USAGE
    return getattr(error, 'exit_code', _EXIT_INTERNAL)


def _message(error: Exception) -> str:
    if _of_the_disk(error):
        return f'{error}. Free space or name another directory, then run the same command.'
    if _of_a_store(error):
        said = ' '.join(str(error).split())
        return f'{said}. Check the name, the credentials, and that this TensorFlow reads it.'
    if isinstance(error, _PATH_ERRORS):
        return f'{error}. Name another directory, or change what stands there.'
    if _of_the_memory(error):
        return (
            'out of memory. Give --accumulate_steps=2 or more, a smaller --eval_batch_size, or, in '
            'another --run_dir, a smaller --batch_size or --width.'
        )
    if hasattr(error, 'exit_code'):
        return str(error)
    return f'{type(error).__name__}: {error} (internal; run again with --debug)'


def _of_the_disk(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    # TensorFlow's writers say it in words only.
    from_tensorflow = type(error).__module__.startswith('tensorflow')
    return from_tensorflow and any(os.strerror(each) in str(error) for each in _DISK_ERRORS)


def _of_a_store(error: Exception) -> bool:
    """Whether an object store failed: its path, or its protocol, is in what it says."""
    of_files = isinstance(error, OSError) or type(error).__module__.startswith('tensorflow')
    return of_files and not _of_the_memory(error) and bool(_STORE.search(str(error)))


def _of_the_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == 'ResourceExhaustedError'


if __name__ == '__main__':
    sys.exit(main())
