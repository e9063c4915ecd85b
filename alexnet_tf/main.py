"""argv -> Config -> one workflow. The only reader of the command line."""

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from alexnet_tf import flag_defs

_DISK_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)
_EXIT_INTERNAL, _EXIT_DISK, _EXIT_INTERRUPTED = 1, 5, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; the result is the process's exit status (README lists them)."""
    argv = sys.argv if argv is None else argv
    if any(each in ('--help', '-h', '-help', '--helpfull') for each in argv[1:]):
        print(flag_defs.help_text())
        return 0
    debug = '--debug' in argv or '--debug=true' in argv
    try:
        config = flag_defs.parse(argv)
        debug = config.debug
        os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # before TensorFlow is imported
        importlib.import_module(f'alexnet_tf.workflows.{config.mode}').run(config)
    except KeyboardInterrupt:
        return _failed('interrupted; the same command goes on', _EXIT_INTERRUPTED, debug)
    except Exception as error:
        return _failed(_message(error), _exit_code(error), debug)
    return 0


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f'alexnet_tf: error: {message}', file=sys.stderr)
    return code


def _exit_code(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return _EXIT_DISK
    return getattr(error, 'exit_code', _EXIT_INTERNAL)


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return f'{error}. Free space or name another directory, then run the same command.'
    if hasattr(error, 'exit_code'):
        return str(error)
    return f'{type(error).__name__}: {error} (internal; run again with --debug)'


if __name__ == '__main__':
    sys.exit(main())
