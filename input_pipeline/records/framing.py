"""Reads TFRecord files that may be damaged or hostile."""

import itertools
import os
from collections.abc import Iterator

import tensorflow as tf

from input_pipeline import files

FRAME_BYTES, HEAD_BYTES = 16, 12  # around a record; before it
_LENGTH_BYTES = 8  # of those: the record's length
_MAX_BYTES = 1 << 30  # of a record


def iter_records(path: str | os.PathLike) -> Iterator[tf.Tensor]:
    """Yields the records of an uncompressed file, () string.

    TensorFlow allocates as much as a record claims to hold, which may end the process. The lengths
    of a local file's records are therefore checked first.

    Raises:
        tf.errors.OpError: A record is damaged, cut short or too large; those before it were
            yielded.
    """
    whole, problem = _count_whole(path)
    yield from tf.data.TFRecordDataset(str(path)).take(whole)
    if problem:
        raise tf.errors.DataLossError(None, None, problem)


def check_lengths(path: str | os.PathLike) -> None:
    """Checks the lengths of all records of a local, uncompressed file, but not their content.

    Raises:
        tf.errors.DataLossError: A record is cut short or too large.
    """
    _, problem = _count_whole(path)
    if problem:
        raise tf.errors.DataLossError(None, None, problem)


def find_offset(path: str | os.PathLike, records: int) -> int:
    """Finds how many bytes a file's first records take, by their lengths alone.

    Args:
        path: An uncompressed file.
        records: How many; at least one.

    Returns:
        The bytes; at most the file's size, even where a damaged length points beyond its end.
    """
    size = files.get_size(path)
    ends = (position for _, position in _iter_frames(path))
    return min(next(itertools.islice(ends, records - 1, None), size), size)


def _count_whole(path: str | os.PathLike) -> tuple[int, str]:
    """Counts the records before the first bad one, which it describes; (-1, '') if all are good."""
    if files.is_remote(path):
        return -1, ''
    size = files.get_size(path)
    for count, (length, end) in enumerate(_iter_frames(path)):
        if length > _MAX_BYTES or end > size:
            return count, f'a record of {length:,} bytes is cut short or too large'
    return -1, ''


def _iter_frames(path: str | os.PathLike) -> Iterator[tuple[int, int]]:
    """Yields each record's length, and where it ends in the file; the last may end beyond it."""
    size, position = files.get_size(path), 0
    unbuffered = {} if files.is_remote(path) else {'buffering': 0}
    with files.as_path(path).open('rb', **unbuffered) as file:
        while position < size:
            file.seek(position)
            length = int.from_bytes(file.read(_LENGTH_BYTES), 'little')
            position += FRAME_BYTES + length
            yield length, position
