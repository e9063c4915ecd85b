"""Locks that keep a second process out of a directory."""

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
import warnings
from collections.abc import Iterator
from typing import TextIO

from input_pipeline import errors, files

FILE_NAME = '.lock'
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextlib.contextmanager
def acquire(
    directory: pathlib.Path,
    *,
    wait: bool = False,
    name: str = FILE_NAME,
    may_read: bool = False,
) -> Iterator[None]:
    """Locks a directory for the duration of a `with` block.

    The operating system releases the lock when its owner ends, however that happens. Object stores
    and some network disks have no locks: nothing is refused there.

    Args:
        directory: Created if it does not exist.
        wait: Whether to wait for the owner of the lock instead of an error.
        name: Name of the lock file in the directory.
        may_read: Whether a read-only disk is fine, where nobody can hold a lock.

    Raises:
        DataError: Another process holds the lock, or its file is a symbolic link.
        OSError: The directory is not writable.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if files.is_remote(directory) or (may_read and _is_read_only(directory)):
        yield
        return
    with _open(directory / name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # the latter on shares of Windows
            owner = _read_owner(file)
            if not wait:
                raise errors.DataError(
                    f'{directory} is in use by {owner}. Wait until it ends, or name another '
                    'directory.'
                ) from error
            if name == FILE_NAME:  # others are held for a moment only
                message = f'{directory} is in use by {owner}. Waiting until it ends.'
                warnings.warn(message, stacklevel=3)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            message = f'{directory}: {error.strerror}. Start no second process there.'
            warnings.warn(message, stacklevel=3)
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield


def _open(path: pathlib.Path) -> TextIO:
    """Opens a lock file; no link, since the file that it leads to would be overwritten."""
    try:
        # With the mode of `open`; that of `os.open` would make it executable.
        return open(
            path, 'a+', opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666)
        )
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise errors.DataError(
            f'{path} is a symbolic link, where a lock file was expected. Remove the link.'
        ) from error


def _is_read_only(directory: pathlib.Path) -> bool:
    return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)


def _read_owner(file) -> str:
    with contextlib.suppress(OSError):  # some systems let nobody read a locked file
        file.seek(0)
        return file.read().strip() or 'another process'
    return 'another process'
