"""References: records that say where an image lies instead of holding it.

A reference is four numbers (int64, little-endian): the image's offset in the file, its size in
bytes, the size of the file, and whether the image is a JPEG that is shown as it is; then the first
eight bytes of its sha256, and the path. If the image's size is 0, the record is a copy: the encoded
image stands in place of the path.
"""

import hashlib
import os
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline import errors, files, python_functions

ENCODING = 'reference'  # of `manifests.Layout`
FEATURE = 'image/reference'
_HEAD, _NUMBER_BYTES = struct.Struct('<4q8s'), 32
_CHANGED = 'has another size than when it was indexed:'


def create(
    read: Callable[[], bytes], encoded: bytes, root: str, *, is_plain: bool = False
) -> bytes | None:
    """Creates the reference to an image that an entry of a source reads.

    Args:
        read: The entry's reader; its `path` and its `offset`, if any, say where the image lies.
        encoded: What it reads, as `rendering.render` decodes it.
        root: Folder that the path is relative to if it lies in it; otherwise it is absolute.
        is_plain: Whether it is a JPEG whose metadata change no pixel, which is read faster.

    Returns:
        The reference; None if these bytes lie in no file, since they are made or decompressed.

    Raises:
        OSError: The file cannot be read.
    """
    path = getattr(read, 'path', '')
    if not path:
        return None
    offset, file_bytes = getattr(read, 'offset', 0), files.get_size(path)
    if len(encoded) == file_bytes:  # all of the file, which was just read
        start = 0
    else:
        with files.as_path(path).open('rb') as file:
            file.seek(offset)
            start = file.read(read.size).find(encoded)
    if start < 0:
        return None
    digest = hashlib.sha256(encoded).digest()
    head = _HEAD.pack(offset + start, len(encoded), file_bytes, is_plain, digest)
    return head + os.fsencode(make_relative(path, root))


def copy(encoded: bytes) -> bytes:
    """Creates the copy that replaces a reference if an image lies in no file."""
    return _HEAD.pack(0, 0, 0, False, b'') + encoded


def make_relative(path: str, root: str) -> str:
    """Returns a path relative to a folder if it lies in it, else absolute.

    >>> make_relative('/images/cats/1.jpg', '/images'), make_relative('gs://a/1.jpg', 'gs://a')
    ('cats/1.jpg', '1.jpg')
    """
    path, root = map(files.make_absolute, (path, root))
    return path.removeprefix(root.rstrip('/') + '/')


class Location(NamedTuple):
    """Where the image of a reference lies.

    Attributes:
        path: Path of the file, as the reference has it; '' for a copy.
        offset: Offset of the first byte.
        size: Number of bytes.
        file_bytes: Size of the file.
        digest: The first bytes of the image's sha256.
    """

    path: str
    offset: int
    size: int
    file_bytes: int
    digest: bytes

    def describe(self, root: str) -> str:
        """Names the place, for messages."""
        path = os.path.join(root, self.path)
        is_part = self.size != self.file_bytes
        return f'{path} from byte {self.offset:,}' if is_part else path

    def is_unchanged(self, root: str) -> bool:
        """Reads the image and returns whether it exists and is unchanged; True for a copy."""
        if not self.path:
            return True
        try:
            with files.as_path(os.path.join(root, self.path)).open('rb') as file:
                file.seek(self.offset)
                return hashlib.sha256(file.read(self.size)).digest().startswith(self.digest)
        except OSError as error:
            if errors.is_of_machine(error):
                raise
            return False


def locate(reference: bytes) -> Location:
    """Returns the location that a reference leads to."""
    offset, size, file_bytes, _, digest = _HEAD.unpack_from(reference)
    path = os.fsdecode(reference[_HEAD.size :]) if size else ''
    return Location(path, offset, size, file_bytes, digest)


class Image(NamedTuple):
    """An image that was read: tensors.

    Attributes:
        encoded: Scalar string.
        is_plain: Scalar bool, whether it is a JPEG whose metadata change no pixel.
    """

    encoded: tf.Tensor
    is_plain: tf.Tensor


def read(reference: tf.Tensor, root: str) -> Image:
    """Reads the encoded image that a reference leads to.

    Args:
        reference: Scalar string, of `create` or `copy`.
        root: Folder that relative paths start from.

    Raises, when run:
        tf.errors.OpError: The file is missing, or has another size. OSError or ValueError for the
            part of a file, without a graph.
    """
    head = tf.io.decode_raw(tf.strings.substr(reference, 0, _NUMBER_BYTES), tf.int64)
    offset, size, file_bytes, is_plain = tf.unstack(head, 4)
    rest = tf.strings.substr(reference, _HEAD.size, tf.strings.length(reference))
    is_absolute = tf.strings.regex_full_match(rest, r'(?s)(/|\w+://).*')
    path = tf.where(is_absolute, rest, tf.strings.join([root.rstrip('/'), '/', rest]))
    branches = [
        lambda: rest,
        lambda: _read_file(path, size),
        lambda: _read_range(path, offset, size, file_bytes),
    ]
    is_part = tf.cast(size < file_bytes, tf.int32)
    encoded = tf.switch_case(tf.where(size == 0, 0, 1 + is_part), branches)
    return Image(encoded, is_plain > 0)


def _read_file(path, size) -> tf.Tensor:
    data = tf.io.read_file(path)
    is_same = tf.strings.length(data) == tf.cast(size, tf.int32)
    with tf.control_dependencies([tf.debugging.Assert(is_same, [path, _CHANGED])]):
        return tf.identity(data)


def _read_range(path, offset, size, file_bytes) -> tf.Tensor:
    """Reads a part of a file; raises an error if the size of the file has changed."""
    # TensorFlow's own operations read a file from its start to get to a part of it.
    part = python_functions.call(_seek_and_read, [path, offset, size, file_bytes], tf.string)
    return tf.ensure_shape(part, ())


def _seek_and_read(path: np.ndarray, offset: int, size: int, file_bytes: int) -> bytes:
    name = os.fsdecode(np.asarray(path).item())
    if files.get_size(name) != file_bytes:
        raise ValueError(f'{_CHANGED} {name}')
    with files.as_path(name).open('rb') as file:
        file.seek(offset)
        return file.read(size)
