"""Files and directories that are either whole or absent, on disks and in object stores.

A path with '://', such as gs://bucket/data, is an `epath.Path`, which uses TensorFlow's file
systems.
"""

import contextlib
import csv
import errno
import hashlib
import io
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence

from input_pipeline import errors

_BLOCK_BYTES = 1 << 20
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
_NO_DIRECTORY_FLUSH = (errno.EINVAL, errno.ENOTSUP)  # on some shared folders
# Of `_temporary_path`: not .notes.tmp-2024, and none of `tempfile`, which may be in use.
_TEMPORARY = re.compile(r'\..+\.tmp-\d+-[0-9a-f]{8}', re.DOTALL)
_CUT_SHORT = re.compile(r'\d+ requested and \d+ written')  # by numpy, without an errno


def as_path(path: str | os.PathLike) -> pathlib.Path:
    """Returns the path object for a path on this machine or in an object store.

    Raises:
        DataError: The path has a scheme that is not supported.
    """
    if not is_remote(path):
        return pathlib.Path(path)
    from etils import epath  # which local paths need not import

    try:
        return epath.Path(path)
    except KeyError as error:
        raise errors.DataError(
            f'{path}: this scheme is not supported. Give a path on this machine, gs:// or s3://.'
        ) from error


def is_remote(path: str | os.PathLike) -> bool:
    """Returns whether a path is in an object store.

    >>> is_remote('gs://bucket/data'), is_remote('/data')
    (True, False)
    """
    return '://' in os.fspath(path)


def exists(path: str | os.PathLike) -> bool:
    """Returns whether a file or directory exists; False if the name is too long."""
    return as_path(path).exists() if is_remote(path) else os.path.exists(path)


def has_links(directory: pathlib.Path) -> bool:
    """Returns whether a directory's disk supports links; object stores and some disks do not."""
    if is_remote(directory):
        return False
    link = _temporary_path(directory / 'link')
    try:
        link.symlink_to(directory)
    except OSError as error:
        if error.errno == errno.EROFS:
            return True  # perhaps; nothing is written there
        if error.errno in _NO_LINKS:
            return False
        raise
    link.unlink()
    return True


def get_size(path: str | os.PathLike) -> int:
    """Returns the size of a file in bytes."""
    return as_path(path).stat().length if is_remote(path) else os.stat(path).st_size


def make_absolute(path: str) -> str:
    """Returns the absolute path of a file; a path in an object store stays unchanged.

    '..' after a link does not lead to the folder that the text names; then links are resolved.
    """
    if is_remote(path):
        return path
    absolute = os.path.abspath(path)
    if os.pardir not in path.split(os.sep):
        return absolute
    real = os.path.realpath(path)
    return absolute if os.path.realpath(absolute) == real else real


def remove_tree(path: str | os.PathLike) -> None:
    """Removes a directory with its content, a file, or a link and not what it leads to."""
    path = as_path(path)
    if not path.is_dir() or (not is_remote(path) and os.path.islink(path)):
        path.unlink(missing_ok=True)
    elif is_remote(path):
        path.rmtree()
    else:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`, which becomes `path` if the block succeeds.

    The file is flushed to disk before it gets its name, its directory after. If the block raises,
    nothing is left behind and a previous `path` is untouched.
    """
    path = as_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    try:
        with _name_in_errors(path):
            yield temporary
            _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a path to write, as `atomic_file` does, for a file that a user names.

    A link stays, and the file that it leads to is replaced. A device or a pipe, such as
    /dev/stdout, is written as it is.
    """
    is_device = pathlib.Path(path).is_relative_to('/dev') or not os.path.isfile(path)
    if is_device and os.path.exists(path):
        yield pathlib.Path(path)
        return
    with atomic_file(os.path.realpath(path)) as temporary:
        yield temporary


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary directory beside `path`, which becomes `path` if the block succeeds.

    Every file in it is flushed to disk first.

    Raises:
        FileExistsError: `path` exists and is not empty.
    """
    path = pathlib.Path(os.path.abspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    temporary.mkdir()
    try:
        with _name_in_errors(path):
            yield temporary
            for member in sorted(temporary.rglob('*'), reverse=True):
                _flush(member)
            _flush(temporary)
        try:
            os.rename(temporary, path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            # Another process was faster.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _name_in_errors(path: pathlib.Path) -> Iterator[None]:
    """Names a file in errors of writing, which name none."""
    try:
        yield
    except OSError as error:
        if error.errno is None and _CUT_SHORT.fullmatch(str(error)):
            error.errno, error.strerror = errno.EIO, f'the disk took only a part ({error})'
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path`: readers see the old file or the new one, never a part."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_csv(path: str | os.PathLike, rows: Iterable[Sequence]) -> None:
    """Writes a CSV file atomically, the header first; file names need not be valid Unicode."""
    write_atomically(path, format_csv(rows).encode(errors='surrogateescape'))


def format_csv(rows: Iterable[Sequence]) -> str:
    r"""Formats rows as lines of CSV; a carriage return in a cell quotes all cells.

    >>> format_csv([('a', 'b'), (1, 'x, y')])
    'a,b\n1,"x, y"\n'
    """
    rows, text = list(rows), io.StringIO()
    has_returns = any('\r' in str(cell) for row in rows for cell in row)  # not quoted otherwise
    quoting = csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator='\n', quoting=quoting).writerows(rows)
    return text.getvalue()


def compute_sha256(path: str | os.PathLike) -> str:
    """Computes the sha256 of a file's content, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with as_path(path).open('rb') as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def find_temporary(folder: pathlib.Path) -> list[pathlib.Path]:
    """Lists the temporary files and directories that a killed process left in a folder."""
    return [path for path in folder.glob('.*.tmp-*') if _TEMPORARY.fullmatch(path.name)]


def remove_temporary(folder: pathlib.Path) -> None:
    """Removes the temporary files and directories that a killed process left in a folder."""
    for path in find_temporary(folder):
        remove_tree(path)


def _temporary_path(path: pathlib.Path) -> pathlib.Path:
    # The process number is not enough: in containers, all processes may have the same.
    return path.with_name(f'.{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}')


def _flush(path: pathlib.Path) -> None:
    # Stores write an object whole or not at all; what a link leads to was written before.
    if is_remote(path) or path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_DIRECTORY_FLUSH):
            raise
    finally:
        os.close(descriptor)
