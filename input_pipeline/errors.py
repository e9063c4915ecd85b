"""The exceptions of the wing, and what others say in a line."""

import re

_STORY = re.compile(r'Error in user-defined function.*?with iterator: [\w:\[\]]+: ')
_MARKS = re.compile(r'\{\{[^}]*\}\}|\[Op:[^\]]*\]')


class DataError(Exception):
    """Input pictures or records that cannot be used; the message says which, and what to do.

    `exit_code` is the process's exit status when nothing catches it.
    """

    exit_code = 3


class PackageMissing(DataError):
    """A package that is not installed; the message says which extra brings it."""

    exit_code = 2


class WorkerLost(Exception):
    """A worker process ended before its work."""

    exit_code = 1


def reason(error: Exception) -> str:
    """What an error of reading says, in one line."""
    text = getattr(error, 'strerror', None) or str(error)
    # TensorFlow puts the operation behind the message and, from a graph, its story before it.
    text = _MARKS.sub('', text.split('[[{{node')[0])
    text = _STORY.sub('', text)
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith('[[')]
    return next(filter(None, reversed(lines)), type(error).__name__)
