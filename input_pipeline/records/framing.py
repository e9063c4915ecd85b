"""Reads TFRecord files that may be damaged or hostile."""

import os
from collections.abc import Iterator

import tensorflow as tf

from input_pipeline import files

_HEAD_BYTES, _FRAME_BYTES = 8, 16  # of a record: its length; all that is around it
_MAX_BYTES = 1 << 30  # of a record


def iter_records(path: str | os.PathLike) -> Iterator[tf.Tensor]:
    """Yields the records of an uncompressed file, () string.

    TensorFlow allocates what a record claims to have, and a process without that much memory ends.
    So the lengths of a local file's records are checked first.

    Raises:
        tf.errors.OpError: A record is damaged, cut short or too large; those before it were
            yielded.
    """
    whole, problem = _count_whole(path)
    yield from tf.data.TFRecordDataset(str(path)).take(whole)
    if problem:
        raise tf.errors.DataLossError(None, None, problem)


def _count_whole(path: str | os.PathLike) -> tuple[int, str]:
    """Counts the records that lie within the file: all (-1), or those before one that does not."""
    if files.is_remote(path):
        return -1, ''
    size, count, position = files.get_size(path), 0, 0
    with open(path, 'rb', buffering=0) as file:
        while position < size:
            file.seek(position)
            length = int.from_bytes(file.read(_HEAD_BYTES), 'little')
            position += _FRAME_BYTES + length
            if length > _MAX_BYTES or position > size:
                return count, f'a record of {length:,} bytes is cut short or too large'
            count += 1
    return -1, ''
