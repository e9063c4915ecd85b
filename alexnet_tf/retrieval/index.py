"""Vectors of a split's pictures in files: one `.npy` for each file of records, and a manifest.

The manifest is written last. What an interrupted command has written is not computed again.
"""

import bisect
import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from input_pipeline import errors, files

FORMAT = 1
FILES = MANIFEST, _BEGUN = 'index.json', 'begun.json'


@dataclasses.dataclass(frozen=True)
class Identity:
    """What decides the vectors.

    Attributes:
        kind: 'features' of the last hidden layer, or 'pixels'.
        split: Of the records.
        manifest_sha256: Of the records, and so of their classes.
        variables_sha256: Of the network's checkpoint; '' for pixels.
    """

    kind: str
    split: str
    manifest_sha256: str
    variables_sha256: str


# What reading damaged files ends in.
_BROKEN = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, IndexError),
    zipfile.BadZipFile,
)


class Vectors:
    """Rows of several arrays, counted through; arrays may be memory maps.

    Args:
        parts: Each (rows, values).
    """

    def __init__(self, parts: Sequence[np.ndarray]):
        self.parts = list(parts)
        self._ends = np.cumsum([len(each) for each in self.parts]).tolist()

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def width(self) -> int:
        """Values a row."""
        return self.parts[0].shape[1]

    def rows(self, places: Sequence[int]) -> np.ndarray:
        """Some rows, (places, values)."""
        return np.stack([self._row(int(at)) for at in places])

    def _row(self, at: int) -> np.ndarray:
        part = bisect.bisect_right(self._ends, at)
        return self.parts[part][at - (self._ends[part] - len(self.parts[part]))]


@dataclasses.dataclass(frozen=True)
class Index:
    """The vectors of a split.

    Attributes:
        vectors: In the order of the records.
        labels: (examples,) int64.
        ids: Names of the examples.
        classes: In label order.
    """

    vectors: Vectors
    labels: np.ndarray
    ids: tuple[str, ...]
    classes: tuple[str, ...]


class Writer:
    """Writes an index a part at a time.

    Args:
        directory: Of the index; made where it is not there.
        identity: Of the vectors.

    Raises:
        DataError: Another index is there.
    """

    def __init__(self, directory: pathlib.Path, identity: Identity):
        self._directory, self._identity = directory, identity
        directory.mkdir(parents=True, exist_ok=True)
        begun = directory / _BEGUN
        if begun.exists():
            check(directory, **dataclasses.asdict(identity))
        said = {'format': FORMAT, **dataclasses.asdict(identity)}
        files.write_atomically(begun, json.dumps(said, indent=1).encode())

    def has(self, number: int) -> bool:
        """Whether a part is there."""
        return self._part(number).exists()

    def write(self, number: int, vectors: np.ndarray, labels: np.ndarray) -> None:
        """One part's (rows, values) float32, and its labels.

        Raises:
            DataError: A value is no number.
        """
        if not np.isfinite(vectors).all():
            raise errors.DataError(
                f'{self._part(number)}: the network gives what is no number for some pictures.'
            )
        for path, array in ((self._labels(number), labels), (self._part(number), vectors)):
            with files.atomic_file(path) as aside, open(aside, 'wb') as file:
                np.save(file, array)

    def finish(self, parts: int, ids: Sequence[str], classes: Sequence[str]) -> None:
        """Writes the manifest."""
        said = {'parts': parts, 'classes': list(classes), 'ids': list(ids)}
        files.write_atomically(self._directory / MANIFEST, json.dumps(said).encode())

    def _part(self, number: int) -> pathlib.Path:
        return self._directory / f'vectors-{number:05d}.npy'

    def _labels(self, number: int) -> pathlib.Path:
        return self._directory / f'labels-{number:05d}.npy'


def check(directory: pathlib.Path, **wanted: str) -> None:
    """Refuses an index that was made by other weights, of other records, or otherwise.

    Args:
        directory: Of the index.
        wanted: Fields of its identity.

    Raises:
        DataError: As said, or there is none.
    """
    path = directory / _BEGUN
    if not path.is_file():
        raise errors.DataError(f'{directory} holds no index. --retrieve=index makes one.')
    said = read_json(path)
    for name, value in {'format': FORMAT, **wanted}.items():
        if said.get(name) != value:
            raise errors.DataError(
                f'{directory} holds an index by another {_WORDS[name]}: {said.get(name)!r}, not '
                f'{value!r}. Name another --index_dir, or delete this one.'
            )


_WORDS = {
    'format': 'version of the format',
    'kind': 'kind of vectors',
    'split': 'split',
    'manifest_sha256': 'data set (manifest_sha256)',
    'variables_sha256': 'network (variables_sha256)',
}


def load(directory: pathlib.Path, **wanted: str) -> Index:
    """A finished index, its vectors as memory maps.

    Args:
        directory, wanted: As of `check`.

    Raises:
        DataError: There is none, it is unfinished or damaged, or made otherwise.
    """
    check(directory, **wanted)
    if not (directory / MANIFEST).is_file():
        raise errors.DataError(f'{directory} is unfinished. --retrieve=index goes on with it.')
    said = read_json(directory / MANIFEST)
    try:
        numbers = range(said['parts'])
        parts, labels = (
            [
                np.load(directory / f'{name}-{at:05d}.npy', mmap_mode=mode, allow_pickle=False)
                for at in numbers
            ]
            for name, mode in (('vectors', 'r'), ('labels', None))
        )
        vectors, together = Vectors(parts), np.concatenate(labels)
        same = len(together) == len(said['ids']) and all(
            len(part) == len(own) for part, own in zip(parts, labels, strict=True)
        )
        good = all(each.dtype == np.float32 and each.ndim == 2 for each in parts)
        good &= len({each.shape[1] for each in parts}) == 1 and together.dtype.kind == 'i'
        known = together.min() >= 0 and together.max() < len(said['classes'])
        if not (same and good and known):
            raise ValueError('its files do not fit together')
        return Index(vectors, together, tuple(said['ids']), tuple(said['classes']))
    except _BROKEN as error:
        raise errors.DataError(
            f'{directory} is damaged: {error}. Delete it and make it anew.'
        ) from error


def read_json(path: pathlib.Path) -> dict:
    """An object in a file; DataError where there is none."""
    try:
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            return found
    except ValueError:
        pass
    raise errors.DataError(f'{path} is damaged. Delete its directory and make the index anew.')
