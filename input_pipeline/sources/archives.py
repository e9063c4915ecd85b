"""Reads tar archives where they lie: by their headers, without extracting them.

Only regular files with an expected name are listed, and no member's name ever becomes a path.
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
from typing import BinaryIO

from input_pipeline import errors, files
from input_pipeline.images import headers

_GZIP = b'\x1f\x8b'
_MAX_UNPACKED = 512 << 20  # bytes of a compressed archive: development kits, CIFAR-10
_MAX_HEADER = 8192  # bytes of an extended header, or of a block of a member that is a tar itself
_TAR_ERRORS = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A file that lies in one piece in an archive; an entry reads it, in any process.

    Attributes:
        path: Path of the archive.
        offset: Offset of the first byte.
        size: Number of bytes.
    """

    path: str
    offset: int
    size: int

    def __call__(self) -> bytes:
        """Reads the bytes and decompresses them if they are a gzip (some images of 2010 are).

        Raises:
            OSError: The archive cannot be read, or is shorter than it was.
            ValueError: The file is too large, or is a broken gzip.
        """
        if self.size > headers.MAX_BYTES:
            raise ValueError(headers.TOO_MANY_BYTES.format(headers.MAX_BYTES))
        with files.as_path(self.path).open('rb') as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) != self.size:
            raise OSError(f'{self.path} ends at byte {self.offset + len(data):,}')
        return _decompress(data) if data.startswith(_GZIP) else data


def iter_members(path: pathlib.Path, expected: re.Pattern) -> Iterator[tuple[str, Member]]:
    """Yields (base name, member) of the regular files of an uncompressed tar, in its order.

    Args:
        path: Path of the tar.
        expected: Pattern of whole base names; other members are skipped.

    Raises:
        DataError: The file is not a tar, is compressed or cut short, or has a suspicious member.
    """
    with _open(path) as archive:
        for base, info in _iter_expected(archive, path, expected):
            yield base, Member(str(path), info.offset_data, info.size)


def iter_nested_members(
    path: pathlib.Path, inner: re.Pattern, expected: re.Pattern
) -> Iterator[tuple[str, str, Member]]:
    """Yields (inner tar's base name without .tar, base name, member) of a tar of tars.

    Args:
        path: Path of the outer tar.
        inner: Pattern of whole base names of inner tars.
        expected: Pattern of whole base names of their members.

    Raises:
        DataError: See `iter_members`; of inner tars too.
    """
    with _open(path) as outer:
        for name, info in _iter_expected(outer, path, inner):
            stem = name.removesuffix('.tar')
            with _open(path, outer.extractfile(info), f'its member {name}') as archive:
                for base, member in _iter_expected(archive, path, expected):
                    offset = info.offset_data + member.offset_data
                    yield stem, base, Member(str(path), offset, member.size)


def read_files(path: pathlib.Path, names: Collection[str]) -> dict[str, bytes]:
    """Reads files of a small tar that may be gzipped, such as a development kit.

    All of it is decompressed in memory, so that its checksum is verified.

    Args:
        path: Path of the tar.
        names: Base names of the files.

    Returns:
        Contents by base name, of those files that the tar has.

    Raises:
        DataError: The file is not a tar, or is cut short.
    """
    data, contents = _read_whole(path), {}
    with _open(path, io.BytesIO(data)) as archive:
        for info in _iter_infos(archive, path):
            base = info.name.rpartition('/')[2]
            if info.isreg() and not info.issparse() and base in names:
                contents.setdefault(base, data[info.offset_data : info.offset_data + info.size])
    return contents


def _read_whole(path: pathlib.Path) -> bytes:
    data = path.read_bytes() if files.get_size(path) <= _MAX_UNPACKED else None
    try:
        if data and data.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(_MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    if data is None or len(data) > _MAX_UNPACKED:
        raise errors.DataError(
            f'{path} has more than {_MAX_UNPACKED:,} bytes, unlike the original. Download it again.'
        )
    return data


class _HeaderReader:
    """Limits the headers that tarfile reads: large ones take hours, and huge ones all memory."""

    def __init__(self, file: BinaryIO):
        self.tell, self.seek, self._file = file.tell, file.seek, file

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise tarfile.ReadError(f'a header of {size:,} bytes')
        return self._file.read(size)

    def seekable(self) -> bool:
        return True


@contextlib.contextmanager
def _open(path: pathlib.Path, file=None, subject: str = 'it') -> Iterator[tarfile.TarFile]:
    with contextlib.ExitStack() as stack:
        file = file or stack.enter_context(path.open('rb'))
        try:
            reader = _HeaderReader(file)
            archive = stack.enter_context(tarfile.open(path, 'r:', fileobj=reader))
        except _TAR_ERRORS as error:
            raise errors.DataError(
                f'{path}: {subject} cannot be read as an uncompressed tar ({error}); it is damaged '
                'or cut short, or compressed. Download it again, and leave it as it is.'
            ) from error
        yield archive


def _iter_expected(archive, path, expected) -> Iterator[tuple[str, tarfile.TarInfo]]:
    seen = set()
    for info in _iter_infos(archive, path):
        base = info.name.rpartition('/')[2]
        if not expected.fullmatch(base):
            continue
        if base in seen:
            raise errors.DataError(f'{path} holds {base} twice. Download it again.')
        seen.add(base)
        if not info.isreg() or info.issparse():
            raise errors.DataError(
                f'{path}: {info.name!r} is not a regular file, which its name promises. This is '
                'not the archive as it was published; download it again.'
            )
        yield base, info


def _iter_infos(archive: tarfile.TarFile, path: pathlib.Path) -> Iterator[tarfile.TarInfo]:
    try:
        while (info := archive.next()) is not None:
            archive.members.clear()  # it would keep them all
            if info.name.startswith('/') or '..' in info.name.split('/'):
                raise errors.DataError(
                    f'{path}: the path of its member {info.name!r} leads outside. Do not trust it.'
                )
            if info.size < 0:
                raise errors.DataError(
                    f'{path}: its member {info.name!r} claims {info.size} bytes. Download it again.'
                )
            yield info
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError('it has no end')  # as tarfile does not notice
    except (*_TAR_ERRORS, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: pathlib.Path, error: Exception) -> errors.DataError:
    return errors.DataError(f'{path} is damaged or cut short ({error}). Download it again.')


def _decompress(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            decompressed = file.read(headers.MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f'a broken gzip ({error})') from error
    if len(decompressed) > headers.MAX_BYTES:
        raise ValueError(f'more than {headers.MAX_BYTES:,} bytes when decompressed')
    return decompressed
