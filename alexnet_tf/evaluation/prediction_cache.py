"""A network's probabilities for a split, in files beside its run."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from input_pipeline import files


@dataclasses.dataclass(frozen=True)
class Identity:
    """What decides the probabilities.

    Attributes:
        manifest_sha256: Of the records.
        split: Of them.
        views: Number of views that were averaged.
        variables_sha256: Of the checkpoint's file.
        dtype: 'float16' or 'float32', as they are kept.
    """

    manifest_sha256: str
    split: str
    views: int
    variables_sha256: str
    dtype: str


class Split(NamedTuple):
    """A network's answers to a split.

    Attributes:
        probabilities: (examples, classes).
        labels: (examples,) int64.
        ids: Names of the examples.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    ids: list[str]


class Kept:
    """The files of one network's probabilities: `.npy`, `.labels.npy` and a `.json` with ids.

    Args:
        directory: Where they are, made when something is written.
        identity: Of the probabilities.
    """

    def __init__(self, directory: pathlib.Path, identity: Identity):
        self._identity = identity
        stem = f'{identity.split}-{identity.views}'
        self.path, self._labels, self._said = (
            directory / f'{stem}{end}' for end in ('.npy', '.labels.npy', '.json')
        )

    def stand(self) -> bool:
        """Whether they are there, whole, of this identity."""
        try:
            said = json.loads(self._said.read_text())
            if said['identity'] != dataclasses.asdict(self._identity):
                return False
            found = self.read()
            return len(found.probabilities) == len(found.labels) == len(found.ids)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return False

    def read(self) -> Split:
        """What was kept, its probabilities as a memory map."""
        return Split(
            np.load(self.path, mmap_mode='r', allow_pickle=False),
            np.load(self._labels, allow_pickle=False),
            json.loads(self._said.read_text())['ids'],
        )

    @contextlib.contextmanager
    def write(self, ids: Sequence[str], classes: int) -> Iterator['_Rows']:
        """Gives what takes rows; the files get their names when all have come.

        Args:
            ids: Of the examples, in their order.
            classes: Number of them.
        """
        self._said.unlink(missing_ok=True)
        with files.atomic_file(self.path) as aside, files.atomic_file(self._labels) as beside:
            with open(aside, 'wb') as file:
                rows = _Rows(file, len(ids), classes, self._identity.dtype)
                yield rows
                rows.check_full()
            with open(beside, 'wb') as file:
                np.save(file, rows.labels)
        said = {'identity': dataclasses.asdict(self._identity), 'ids': list(ids)}
        files.write_atomically(self._said, json.dumps(said, indent=1).encode())


class _Rows:
    """Takes rows one batch after the other, into a `.npy` file.

    They are written, not mapped: where the disk is full, a mapped file ends the process.
    """

    def __init__(self, file: BinaryIO, number: int, classes: int, dtype: str):
        self._file, self._dtype, self._at = file, np.dtype(dtype), 0
        self.labels = np.zeros(number, np.int64)
        header = {'descr': self._dtype.str, 'fortran_order': False, 'shape': (number, classes)}
        np.lib.format.write_array_header_1_0(file, header)

    def add(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """The next examples'."""
        end = self._at + len(labels)
        self._file.write(probabilities.astype(self._dtype).tobytes())
        self.labels[self._at : end] = labels
        self._at = end

    def check_full(self) -> None:
        """ValueError where some are missing."""
        if self._at != len(self.labels):
            raise ValueError(f'{self._at} of {len(self.labels)} examples came.')
