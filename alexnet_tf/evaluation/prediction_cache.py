"""A network's probabilities for a split, kept in files of its run directory."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from input_pipeline import files


@dataclasses.dataclass(frozen=True)
class PredictionKey:
    """Everything that the probabilities depend on.

    Attributes:
        manifest_sha256: Hash of the records' manifest.
        split: Name of the split.
        views: Number of views that are averaged.
        variables_sha256: Hash of the checkpoint's weights.
        dtype: Type that is stored, 'float16' or 'float32'.
    """

    manifest_sha256: str
    split: str
    views: int
    variables_sha256: str
    dtype: str


class Predictions(NamedTuple):
    """A network's predictions for a split.

    Attributes:
        probabilities: (examples, classes).
        labels: (examples,) int64.
        ids: Names of the examples.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    ids: list[str]


class CachedPredictions:
    """The files of one network's probabilities: `.npy`, `.labels.npy` and `.json` with the ids.

    Args:
        directory: Of the files; created by the first write.
        key: Files with another key are not read, and are replaced by the next write.
    """

    def __init__(self, directory: pathlib.Path, key: PredictionKey):
        self._key = key
        stem = directory / f'{key.split}-{key.views}'
        self._probabilities, self._labels, self._metadata = (
            stem.with_name(stem.name + suffix) for suffix in ('.npy', '.labels.npy', '.json')
        )

    def load_if_current(self) -> Predictions | None:
        """Loads the predictions, their probabilities as a memory map; None if there are none.

        Files that are incomplete, damaged or of another key count as none.
        """
        try:
            metadata = json.loads(self._metadata.read_text())
            if metadata['identity'] != dataclasses.asdict(self._key):
                return None
            predictions = Predictions(
                np.load(self._probabilities, mmap_mode='r', allow_pickle=False),
                np.load(self._labels, allow_pickle=False),
                metadata['ids'],
            )
            return predictions if len(set(map(len, predictions))) == 1 else None
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None

    @contextlib.contextmanager
    def write(self, ids: Sequence[str], num_classes: int) -> Iterator['_BatchWriter']:
        """Opens a writer; the files get their names once it has taken every example.

        Args:
            ids: Names of the examples, in order.
            num_classes: Length of a row.

        Raises:
            ValueError: Some examples were not written.
        """
        self._metadata.unlink(missing_ok=True)
        with (
            files.atomic_file(self._probabilities) as path,
            files.atomic_file(self._labels) as labels_path,
        ):
            with open(path, 'wb') as file:
                writer = _BatchWriter(file, (len(ids), num_classes), self._key.dtype)
                yield writer
            labels = np.concatenate([np.zeros(0, np.int64), *writer.labels])
            if len(labels) != len(ids):
                raise ValueError(f'only {len(labels)} of {len(ids)} examples were written.')
            with open(labels_path, 'wb') as file:
                np.save(file, labels)
        metadata = {'identity': dataclasses.asdict(self._key), 'ids': list(ids)}
        files.write_atomically(self._metadata, json.dumps(metadata, indent=1).encode())


class _BatchWriter:
    """Appends batches to a `.npy` file.

    They are written and not memory-mapped: on a full disk, a write to a map kills the process.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, int], dtype: str):
        self._file, self._dtype, self.labels = file, np.dtype(dtype), []
        header = {'descr': self._dtype.str, 'fortran_order': False, 'shape': shape}
        np.lib.format.write_array_header_1_0(file, header)

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        self._file.write(probabilities.astype(self._dtype).tobytes())
        self.labels.append(labels)
