"""Crops raw images in the files that hold their records, without reading the rest.

Each process reads and checks a record once. From then on its image is known by its place in a file,
from which a crop is copied once; TensorFlow's operations would copy the whole image five times.
"""

import contextlib
import functools
import os
import threading
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from input_pipeline import python_functions
from input_pipeline.batches import lanes, preprocessing
from input_pipeline.images import decoding
from input_pipeline.records import framing, manifests, reading

_HEAD = 64  # bytes of an image, by which it is found in its record
_FIELDS = 3  # of a place: the file's number, the offset of the image, the label


class RawPlaces:
    """Finds the places of raw images and remembers them, by the part of a file.

    Args:
        layout: Layout of records with raw images, in local files.
    """

    def __init__(self, layout: manifests.Layout):
        self._layout = layout
        self._image_bytes = layout.square_size**2 * decoding.CHANNELS
        size = self._image_bytes  # the bytes that precede a value of this size in a message:
        self._mark = tf.train.BytesList(value=[bytes(size)]).SerializeToString()[:-size]
        self._places: dict[tuple[str, int], np.ndarray] = {}  # by the part's path and offset
        self._numbers: dict[str, int] = {}
        self._versions: list[tuple[int, ...]] = []  # of the files, by number
        self._lock = threading.Lock()

    def find(self, parts: lanes.Parts, selected: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the places of every image of some parts; the first time, by reading the records.

        Args:
            parts: The parts of all lanes.
            selected: Which of them, int64 vector.

        Returns:
            The places, (n, 3) int64, and the examples' indices in the data set, (n,) int64.

        Raises:
            See `lanes.read_parts`.
        """
        paths, offsets, sizes = (
            tf.gather(tf.constant(column), selected)
            for column in (parts.paths, parts.offsets, parts.sizes)
        )

        def read():
            records, _ = lanes.read_parts(parts, selected, tolerant=False)
            images, labels = reading.parse_records(records, self._layout)
            # Only their starts, since Python would copy whole images.
            lengths, heads = tf.strings.length(records), tf.strings.substr(images, 0, _HEAD)
            rest = tf.maximum(lengths - self._image_bytes + _HEAD, 0)
            starts = tf.strings.substr(records, tf.zeros_like(rest), rest)
            is_whole = tf.strings.length(images) == self._image_bytes
            columns = [paths, offsets, sizes, lengths, starts, heads, labels, is_whole]
            return python_functions.call(self._remember, columns, tf.int64)

        def recall():
            return python_functions.call(self._recall, [paths, offsets], tf.int64)

        is_known = python_functions.call(self._knows, [paths, offsets], tf.bool)
        places = tf.cond(tf.ensure_shape(is_known, []), recall, read)
        return tf.ensure_shape(places, [None, _FIELDS]), lanes.list_indices(parts, selected)

    def count_bytes(self, places: tf.Tensor) -> tf.Tensor:
        """Counts the bytes of the images at some places, () int64."""
        return tf.shape(places, tf.int64)[0] * self._image_bytes

    def decode_crops(
        self,
        places: tf.Tensor,
        windows: tf.Tensor,
        mirrored: tf.Tensor | None,
        *,
        crop_size: int,
        is_resized: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Cuts a window of each image as a crop, as `preprocessing.decode_crops`.

        Args:
            places: (n, 3) int64, from `find`.
            windows: (n, 4) int32: offset from the top, offset from the left, height, width.
            mirrored: (n,) bool, which crops to mirror; or None for none.
            crop_size: Side of the crop.
            is_resized: Whether windows may have another size than the crop.

        Returns:
            Crops (n, crop_size, crop_size, 3) uint8 RGB, and labels (n,) int64.

        Raises, when run:
            OSError: A file ends before the image does, or cannot be read.
        """
        if is_resized:
            squares = self._cut(places, tf.zeros_like(windows), self._layout.square_size)
            crops = preprocessing.cut_crops(
                squares, windows, mirrored, crop_size=crop_size, is_resized=True
            )
        else:
            crops = self._cut(places, windows, crop_size)
            crops = crops if mirrored is None else _mirror(crops, mirrored)
        return crops, places[:, 2]

    def _cut(self, places, windows, size: int) -> tf.Tensor:
        read = functools.partial(self._read_windows, size=size)
        cut = python_functions.call(read, [places, windows], tf.uint8)
        return tf.ensure_shape(cut, [None, size, size, decoding.CHANNELS])

    def _knows(self, paths, offsets) -> np.bool_:
        return np.bool_(all(key in self._places for key in _list_keys(paths, offsets)))

    def _recall(self, paths, offsets) -> np.ndarray:
        return np.concatenate([self._places[key] for key in _list_keys(paths, offsets)])

    def _remember(self, paths, offsets, sizes, *columns) -> np.ndarray:
        """Remembers the places of the images in some parts, from these columns of their records."""
        row = 0
        for (path, position), size in zip(_list_keys(paths, offsets), sizes, strict=True):
            start, places = position + framing.HEAD_BYTES, []
            for length, *record in zip(
                *(column[row : row + size] for column in columns), strict=True
            ):
                places.append(self._locate(path, start, *record))
                start += framing.FRAME_BYTES + length
            self._places[path, position] = np.array(places, np.int64).reshape(-1, _FIELDS)
            row += size
        return self._recall(paths, offsets)

    def _locate(self, path: str, start: int, begin: bytes, head: bytes, label, is_whole):
        """Returns the place of the image in a record that starts at a byte of a file."""
        at = begin.find(self._mark + head)
        if at < 0 or not is_whole:
            raise ValueError(f'{path} has a record at byte {start:,} with an image of another size')
        return self._number(path), start + at + len(self._mark), label

    def _number(self, path: str) -> int:
        with self._lock:
            if path not in self._numbers:
                self._versions.append(_identify(os.stat(path)))
                self._numbers[path] = len(self._numbers)
            return self._numbers[path]

    def _read_windows(self, places, windows, size: int) -> np.ndarray:
        crops = np.empty((len(places), size, size * decoding.CHANNELS), np.uint8)
        row_bytes = self._layout.square_size * decoding.CHANNELS
        rows, paths, opened = np.empty((size, row_bytes), np.uint8), list(self._numbers), {}
        with contextlib.ExitStack() as stack:
            for file in set(places[:, 0]):
                opened[file] = stack.enter_context(open(paths[file], 'rb', buffering=0))
                if _identify(os.fstat(opened[file].fileno())) != self._versions[file]:
                    raise OSError(f'{paths[file]} was changed since it was first read')
            for crop, (file, offset, _), window in zip(crops, places, windows, strict=True):
                _read_into(rows, opened[file], offset + window[0] * row_bytes)
                crop[:] = rows[:, window[1] * decoding.CHANNELS :][:, : crop.shape[1]]
        return crops.reshape(len(places), size, size, decoding.CHANNELS)


@tf.function(jit_compile=True, autograph=False)
def _mirror(crops, mirrored):
    return tf.where(mirrored[:, None, None, None], tf.reverse(crops, [2]), crops)


def _list_keys(paths, offsets) -> list[tuple[str, int]]:
    return [(os.fsdecode(path), int(at)) for path, at in zip(paths, offsets, strict=True)]


def _identify(status: os.stat_result) -> tuple[int, ...]:
    # Without the inode: some file systems make it up, and it changes by itself.
    return status.st_size, status.st_mtime_ns


def _read_into(rows: np.ndarray, file: BinaryIO, offset: int) -> None:
    if os.preadv(file.fileno(), [rows], offset) != rows.nbytes:
        raise OSError(f'{file.name} ends before the image at byte {offset:,} does')
