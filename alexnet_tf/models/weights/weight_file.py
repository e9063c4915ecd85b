"""The contents of a weight file, and the limits that all readers keep."""

import contextlib
import dataclasses
import math
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import ml_dtypes
import numpy as np

from input_pipeline import errors

# AlexNet's weights are 250 MB in float32; with an optimizer's state three times as much.
MAX_BYTES = 1 << 30
MEAN_IMAGE = 'averageImage'  # the name of a mean image among the arrays, (rows, columns, RGB)
_MAX_MEMBERS, _MAX_DIMENSIONS = 10_000, 64
_MAX_DIRECTORY_BYTES = 4 << 20  # of an archive; zipfile makes objects of ten times the size
# With others, zipfile decompresses everything, whatever size the archive claims.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class Layer(NamedTuple):
    """A layer of the network that a file describes.

    Attributes:
        name: Its name in the file.
        kind: 'convolution', 'normalization', 'max_pool', or the file's own word.
    """

    name: str
    kind: str


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """The arrays of a weight file, as the file has them.

    Attributes:
        path: The file.
        format: The format that its content was read as, such as 'PyTorch (zip)'.
        arrays: Numbers of any dtype, by the file's own names.
        layers: The layers in order, with and without weights; () if the format has no list.
        classes: Names of the classes in label order; () if the format has none.
        metadata: Further metadata of the file; {} if there is none.
    """

    path: pathlib.Path
    format: str
    arrays: Mapping[str, np.ndarray]
    layers: Sequence[Layer] = ()
    classes: Sequence[str] = ()
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read_bytes(path: pathlib.Path) -> bytes:
    """Reads a whole file of at most `MAX_BYTES`.

    Raises:
        DataError: It is larger.
        OSError: It cannot be read.
    """
    check_size(path.stat().st_size, 'the file')
    return path.read_bytes()


def check_size(size: int, what: str) -> None:
    """Checks a number of bytes before they are read or allocated.

    Raises:
        DataError: There are more than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise errors.DataError(
            f'{what} has {size:,} bytes; weights of at most {MAX_BYTES:,} are read.'
        )


def count_bytes(name: str, shape: Sequence[int], itemsize: int) -> int:
    """Computes the size of an array from a file's header.

    Args:
        name: The array's name, for messages.
        shape: The shape in the header.
        itemsize: Bytes of a number.

    Raises:
        DataError: A dimension is negative, there are too many, or the array exceeds `MAX_BYTES`.
    """
    if len(shape) > _MAX_DIMENSIONS:  # their product alone may take hours
        raise errors.DataError(f'{name} has {len(shape):,} dimensions.')
    if any(dimension < 0 for dimension in shape):
        raise errors.DataError(f'{name} has the shape {tuple(shape)}.')
    size = math.prod(shape) * itemsize
    check_size(size, name)
    return size


def from_bytes(
    name: str, data: bytes | memoryview, dtype: np.dtype, shape: Sequence[int], order: str = 'C'
) -> np.ndarray:
    """Makes an array of exactly the bytes that a header claims.

    Args:
        name: The array's name, for messages.
        data: Its numbers.
        dtype: Their type, with its byte order.
        shape: The shape in the header.
        order: 'C', or 'F' if the first index runs fastest.

    Raises:
        DataError: There are more or fewer bytes than the shape and the dtype need.
    """
    size = count_bytes(name, shape, dtype.itemsize)
    if len(data) != size:
        raise errors.DataError(
            f'{name} has {len(data):,} bytes, but its shape {tuple(shape)} of {dtype} needs '
            f'{size:,}.'
        )
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def is_numeric(dtype: np.dtype) -> bool:
    """Whether a dtype is of real numbers, bfloat16 among them."""
    return dtype.kind in 'fiu' or dtype == _BFLOAT16


def collect(pairs: Iterable[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Collects arrays by name.

    Raises:
        DataError: Two arrays have one name, or a name is not UTF-8.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, array in pairs:
        if not isinstance(name, str):  # the parser of protobuf leaves such names as bytes
            raise errors.DataError(f'the name {name!r} is not UTF-8.')
        if name in arrays:
            raise errors.DataError(f'two arrays are called {name}.')
        arrays[name] = array
    return arrays


@contextlib.contextmanager
def open_archive(path: pathlib.Path) -> Iterator[tuple[zipfile.ZipFile, list[str]]]:
    """Opens a zip archive after checks that all its members can be read within the limits.

    Args:
        path: Path of the archive.

    Yields:
        The archive, and the names of its members, sorted.

    Raises:
        DataError: Members have the same name or data, lie outside the archive's folder, are
            encrypted or compressed in an unusual way, or are too many or too large.
    """
    with path.open('rb') as file:
        end = zipfile._EndRecData(file)
        if end and end[zipfile._ECD_SIZE] > _MAX_DIRECTORY_BYTES:
            size = end[zipfile._ECD_SIZE]
            raise errors.DataError(f'its list of members has {size:,} bytes.')
        with zipfile.ZipFile(file) as archive:
            yield archive, _list_members(archive, path.stat().st_size)


def _list_members(archive: zipfile.ZipFile, size: int) -> list[str]:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise errors.DataError(
            f'it has {len(members):,} members, expected at most {_MAX_MEMBERS:,}.'
        )
    check_size(sum(member.file_size for member in members), 'its content')
    if sum(member.compress_size for member in members) > size:
        raise errors.DataError('its members overlap.')
    names = set()
    for member in members:
        name = member.filename
        if name.startswith(('/', '\\')) or '..' in pathlib.PurePosixPath(name).parts:
            raise errors.DataError(f'its member {name!r} lies outside the archive.')
        if name in names:
            raise errors.DataError(f'it has two members {name!r}.')
        if member.flag_bits & 1:
            raise errors.DataError(f'its member {name!r} is encrypted.')
        if member.compress_type not in _COMPRESSIONS:
            raise errors.DataError(f'its member {name!r} is compressed in an unusual way.')
        names.add(name)
    return sorted(names)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Reads a file of an archive from `open_archive`.

    Raises:
        zipfile.BadZipFile: It is damaged.
    """
    with archive.open(name) as file:
        # Without a size, zipfile decompresses more than the member claims to have.
        return file.read(archive.getinfo(name).file_size)
