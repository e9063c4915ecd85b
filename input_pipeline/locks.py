"""One process a directory."""

import contextlib
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from input_pipeline import errors, files

NAME = '.lock'


@contextlib.contextmanager
def held(directory: pathlib.Path, *, wait: bool = False, name: str = NAME) -> Iterator[None]:
    """Refuses a directory that another process works on, or waits for it.

    The system lets go of a lock when its owner dies, however that comes about. In an object store
    nothing is refused.

    Args:
        directory: Made where it is not there.
        wait: Whether to wait.
        name: Of the lock's file in it.

    Raises:
        DataError: Another process holds it.
        OSError: The directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if files.is_remote(directory):  # stores have no locks
        yield
        return
    with open(directory / name, 'a+') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            raise errors.DataError(
                f'{directory} is in use by {file.read().strip() or "another process"}. Wait for '
                'it, or name another directory.'
            ) from error
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield
