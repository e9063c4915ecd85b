"""The one exception for bad data."""


class DataError(Exception):
    """Input pictures or records that cannot be used; the message says which, and what to do.

    `exit_code` is the process's exit status when nothing catches it.
    """

    exit_code = 3
