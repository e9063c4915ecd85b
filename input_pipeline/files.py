"""Files and directories that are either whole or not there, on disks and in object stores.

A path with '://', as gs://bucket/data, is an `epath.Path`, which asks TensorFlow's file systems.
"""

import contextlib
import csv
import hashlib
import io
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence

from input_pipeline import errors

_BLOCK_BYTES = 1 << 20


def at(path: str | os.PathLike) -> pathlib.Path:
    """The path, here or in an object store.

    Raises:
        DataError: It is in neither.
    """
    if not is_remote(path):
        return pathlib.Path(path)
    from etils import epath  # which other paths need not wait for

    try:
        return epath.Path(path)
    except KeyError as error:
        raise errors.DataError(
            f'{path}: such paths are not read, but those of this machine, gs:// and s3://.'
        ) from error


def is_remote(path: str | os.PathLike) -> bool:
    """Whether it is in an object store."""
    return '://' in os.fspath(path)


def size(path: str | os.PathLike) -> int:
    """Number of bytes of a file."""
    return at(path).stat().length if is_remote(path) else os.stat(path).st_size


def remove_tree(path: str | os.PathLike) -> None:
    """Removes a directory and what is in it, or a file, if it is there."""
    path = at(path)
    if not path.is_dir():
        path.unlink(missing_ok=True)
    elif is_remote(path):
        path.rmtree()
    else:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a temporary path beside `path`; renames it to `path` when the block ends well.

    The file is flushed to disk before it gets its name, its directory after. When the block
    raises, nothing is left behind and a previous `path` stands untouched.
    """
    path = at(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:
        yield aside
        _flush(aside)
        aside.replace(path)
        _flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a temporary directory beside `path`; renames it to `path` when the block ends well.

    Every file in it is flushed first. `path` must not exist: OSError otherwise.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    aside.mkdir()
    try:
        yield aside
        for each in sorted(aside.rglob('*'), reverse=True):
            _flush(each)
        _flush(aside)
        os.rename(aside, path)
        _flush(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Writes `data` to `path`: readers see the old file or the new one, never a part."""
    with atomic_file(path) as aside:
        aside.write_bytes(data)


def write_csv(path: str | os.PathLike, rows: Iterable[Sequence]) -> None:
    """Writes a table atomically, its header first. File names need not be Unicode."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    write_atomically(path, text.getvalue().encode(errors='surrogateescape'))


def sha256(path: str | os.PathLike) -> str:
    """The sha256 of a file's content, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with at(path).open('rb') as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def left_aside(folder: pathlib.Path) -> list[pathlib.Path]:
    """Temporary files and directories that a killed process left in a folder."""
    return list(folder.glob('.*.tmp-*'))


def clear_left_aside(folder: pathlib.Path) -> None:
    """Removes what a killed process left in a folder, files and directories."""
    for each in left_aside(folder):
        remove_tree(each)


def _aside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f'.{path.name}.tmp-{os.getpid()}')


def _flush(path: pathlib.Path) -> None:
    if is_remote(path):
        return  # a store has an object whole, or not
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
