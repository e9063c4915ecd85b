"""Tar archives read where they lie: indexed by their headers, never extracted.

Only regular files with an expected name count. No member's name ever becomes a path.
"""

import contextlib
import dataclasses
import gzip
import io
import pathlib
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator

from input_pipeline import errors, files
from input_pipeline.images import headers

_GZIP = b'\x1f\x8b'


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """Bytes of a file that lie in one piece: what an entry reads, in any process.

    Attributes:
        path: Of the archive.
        offset: Of the first byte.
        size: Number of bytes.
    """

    path: str
    offset: int
    size: int

    def __call__(self) -> bytes:
        """The bytes, unpacked if they are gzip's (some pictures of 2010 are).

        Raises:
            OSError: The archive cannot be read, or is shorter than it was.
            ValueError: Too many bytes, or a broken gzip.
        """
        if self.size > headers.MOST_BYTES:
            raise ValueError(f'{self.size:,} bytes; at most {headers.MOST_BYTES:,} are read')
        with files.at(self.path).open('rb') as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) != self.size:
            raise OSError(f'{self.path} ends at byte {self.offset + len(data):,}')
        return _unpacked(data) if data.startswith(_GZIP) else data


_MOST_UNPACKED = 512 << 20  # bytes of a compressed archive: development kits, CIFAR-10
_BROKEN = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError)


def members(path: pathlib.Path, expected: re.Pattern) -> Iterator[tuple[str, Member]]:
    """(base name, member) of the regular files of an uncompressed tar, in its order.

    Args:
        path: Of the tar.
        expected: What whole base names look like; others are passed over.

    Raises:
        DataError: It is no tar, is compressed or cut short, or has a suspicious member.
    """
    with _open(path) as archive:
        yield from _members(archive, path, 0, expected)


def nested(
    path: pathlib.Path, inner: re.Pattern, expected: re.Pattern
) -> Iterator[tuple[str, str, Member]]:
    """(inner tar's base name without .tar, base name, member) of a tar of tars.

    Args:
        path: Of the outer tar.
        inner: What whole base names of inner tars look like.
        expected: The same of what they hold.

    Raises:
        DataError: As `members`; of inner tars too.
    """
    with _open(path) as outer:
        for name, part in _members(outer, path, 0, inner):
            outer.fileobj.seek(part.offset)
            window = _Window(outer.fileobj, part.offset, part.size)
            with _open(path, window, f'{name} in it') as archive:
                for base, member in _members(archive, path, part.offset, expected):
                    yield name.removesuffix('.tar'), base, member


def read(path: pathlib.Path, bases: Collection[str]) -> dict[str, bytes]:
    """Files of a small tar that may be gzipped, such as a kit's, by base name: those it has.

    The whole of it is unpacked in memory, so that its checksum is looked at.

    Raises:
        DataError: It is no tar, or cut short.
    """
    data, found = _whole(path), {}
    with _open(path, io.BytesIO(data)) as archive:
        for member in _each(archive, path):
            base = _base(member.name)
            if member.isreg() and not member.issparse() and base in bases:
                found.setdefault(base, data[member.offset_data : member.offset_data + member.size])
    return found


def _whole(path) -> bytes:
    data = path.read_bytes() if files.size(path) <= _MOST_UNPACKED else None
    try:
        if data and data.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(_MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise errors.DataError(
            f'{path} is damaged or cut short ({error}). Download it again.'
        ) from error
    if data is None or len(data) > _MOST_UNPACKED:
        raise errors.DataError(
            f'{path} has more than {_MOST_UNPACKED:,} bytes: it is not what it seems.'
        )
    return data


class _Window(io.RawIOBase):
    """A stretch of a file as a file."""

    def __init__(self, file, offset: int, size: int):
        self._file, self._offset, self._size, self._at = file, offset, size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        self._file.seek(self._offset + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


@contextlib.contextmanager
def _open(path, file=None, what: str = 'it') -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as opened:
        file = file or opened.enter_context(path.open('rb'))
        try:
            archive = opened.enter_context(tarfile.open(path, 'r:', fileobj=file))
        except _BROKEN as error:
            raise errors.DataError(
                f'{path}: {what} cannot be read as a tar ({error}). Download it again, and leave '
                'it as it came.'
            ) from error
        yield archive


def _members(archive, path, offset: int, expected: re.Pattern) -> Iterator[tuple[str, Member]]:
    seen = set()
    for member in _each(archive, path):
        base = _base(member.name)
        if not expected.fullmatch(base):
            continue
        if base in seen:
            raise errors.DataError(f'{path} holds {base} twice.')
        seen.add(base)
        if not member.isreg() or member.issparse():
            raise errors.DataError(
                f'{path}: {member.name!r} is no plain file but bears the name of one. This is not '
                'the archive as it was published.'
            )
        yield base, Member(str(path), offset + member.offset_data, member.size)


def _each(archive: tarfile.TarFile, path) -> Iterator[tarfile.TarInfo]:
    try:
        while (member := archive.next()) is not None:
            archive.members.clear()  # it would keep them all
            if member.name.startswith('/') or '..' in member.name.split('/'):
                raise errors.DataError(f'{path}: a member wants to lie at {member.name!r}.')
            if member.size < 0:
                raise errors.DataError(f'{path}: {member.name!r} claims {member.size} bytes.')
            yield member
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError('it has no end')
    except (*_BROKEN, OSError) as error:
        raise errors.DataError(
            f'{path} is damaged or cut short ({error}). Download it again.'
        ) from error


def _base(name: str) -> str:
    return name.rpartition('/')[2]


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(headers.MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f'a broken gzip ({error})') from error
    if len(unpacked) > headers.MOST_BYTES:
        raise ValueError(f'more than {headers.MOST_BYTES:,} bytes when unpacked')
    return unpacked
