"""The package's exceptions, and one-line descriptions of other exceptions."""

import difflib
import errno
import re
from collections.abc import Iterable, Sequence

LOST_DISK = (errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO, errno.ENODEV)  # of a network
_LOST_HOST = (errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNABORTED)
# Errors of the machine and not of a file.
_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, *LOST_DISK, *_LOST_HOST)
_NODE_NAMES = re.compile(r'\{\{[^}]*\}\}|\[Op:[^\]]*\]( name:.*)?')
_ITERATOR_PREFIX = re.compile(r'Error in user-defined function.*?with iterator: [\w:\[\]]+: ')


class DataError(Exception):
    """Images or records that cannot be used; the message says which, and what to do.

    Attributes:
        exit_code: The process's exit status if nothing catches the error.
    """

    exit_code = 3


class PackageMissing(DataError):
    """A package that is not installed; the message names the extra that installs it."""

    exit_code = 2


def suggest(name: str, known: Iterable[str], prefix: str = '') -> str:
    """Suggests up to two known names that are like an unknown one, for the end of a sentence.

    >>> suggest('batchsize', ['batch_size', 'epochs'], '--')
    ' Did you mean --batch_size?'
    """
    close = difflib.get_close_matches(name, known, n=2)
    return f' Did you mean {" or ".join(prefix + other for other in close)}?' if close else ''


def join_some(names: Sequence[str], most: int = 5) -> str:
    """Joins the first names for a message, and counts the others.

    >>> join_some(['a', 'b', 'c', 'd'], most=2)
    'a, b and 2 more'
    """
    more = f' and {len(names) - most:,} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def is_of_machine(error: Exception) -> bool:
    """Returns whether an error of reading a file would come with every file.

    >>> is_of_machine(OSError(errno.ESTALE, 'Stale file handle')), is_of_machine(ValueError())
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


def describe(error: Exception) -> str:
    """Describes an error of reading in one line, without TensorFlow's names of operations.

    >>> describe(ValueError('Invalid PNG data [Op:DecodePng] name: '))
    'Invalid PNG data'
    """
    text = getattr(error, 'strerror', None) or str(error)
    # TensorFlow puts the operation behind the message and, in a graph, the iterator before it.
    text = _NODE_NAMES.sub('', text.split('[[{{node')[0])
    text = _ITERATOR_PREFIX.sub('', text)
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith('[[')]
    return next(filter(None, reversed(lines)), type(error).__name__)
