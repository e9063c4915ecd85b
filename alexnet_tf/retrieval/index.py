"""An index: the vectors of a split in `.npy` files, one for each shard of records.

The manifest is written last, so that an interrupted index is recognised and completed.
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
FILES = MANIFEST, _KEY_FILE = 'index.json', 'begun.json'
_KEY_WORDS = {
    'format': 'version of the format',
    'kind': 'kind of vectors',
    'split': 'split',
    'manifest_sha256': 'data set (manifest_sha256)',
    'variables_sha256': 'network (variables_sha256)',
}
# What reading damaged files raises.
_DAMAGE_ERRORS = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, IndexError),
    zipfile.BadZipFile,
)


class Vectors:
    """The rows of several arrays, as one sequence.

    Args:
        parts: (rows, values) arrays of one width; they may be memory maps.

    Example:
        >>> vectors = Vectors([np.zeros((3, 2)), np.ones((1, 2))])
        >>> len(vectors), vectors.width, vectors.take([3, 0]).tolist()
        (4, 2, [[1.0, 1.0], [0.0, 0.0]])
    """

    def __init__(self, parts: Sequence[np.ndarray]):
        self.parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self.parts]).tolist()

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def width(self) -> int:
        """Number of values of a vector."""
        return self.parts[0].shape[1]

    @property
    def mean(self) -> np.ndarray:
        """Mean of the vectors, (values,) float64."""
        return sum(part.sum(0, dtype=np.float64) for part in self.parts) / len(self)

    def take(self, indices: Sequence[int]) -> np.ndarray:
        """Copies some rows, (indices, values)."""
        return np.stack([self._row(int(at)) for at in indices])

    def _row(self, at: int) -> np.ndarray:
        part = bisect.bisect_right(self._ends, at)
        return self.parts[part][at - (self._ends[part] - len(self.parts[part]))]


@dataclasses.dataclass(frozen=True)
class Index:
    """The vectors of a split, in the order of the records.

    Attributes:
        directory: The directory of the index.
        vectors: One for each example.
        labels: (examples,) int64 class labels.
        ids: Names of the examples.
        classes: Names of the classes, in label order.
    """

    directory: pathlib.Path
    vectors: Vectors
    labels: np.ndarray
    ids: tuple[str, ...]
    classes: tuple[str, ...]


class IndexWriter:
    """Writes an index part by part; parts that are already there need not be written again.

    Args:
        directory: The directory of the index; it is created if missing.
        **key: What determines the vectors: `kind`, 'features' of the last hidden layer or 'pixels';
            `split` of the records; `manifest_sha256`, the hash of their manifest, which includes
            the classes; `variables_sha256`, that of the network's checkpoint, '' for pixels.

    Raises:
        DataError: The directory holds an index with another key.
    """

    def __init__(self, directory: pathlib.Path, **key: str):
        self._directory = directory
        if (directory / _KEY_FILE).exists():
            check_key(directory, **key)
        else:
            content = json.dumps({'format': FORMAT, **key}, indent=1)
            files.write_atomically(directory / _KEY_FILE, content.encode())

    def has_part(self, number: int) -> bool:
        """Whether a part was written, perhaps by an interrupted command."""
        return _part_path(self._directory, 'vectors', number).exists()

    def write_part(self, number: int, vectors: np.ndarray, labels: np.ndarray) -> None:
        """Writes one part.

        Args:
            number: Number of the part, from 0.
            vectors: (rows, values) float32.
            labels: (rows,) int64 class labels.

        Raises:
            DataError: A value is NaN or infinite.
        """
        path = _part_path(self._directory, 'vectors', number)
        if not np.isfinite(vectors).all():
            raise errors.DataError(
                f'{path} was not written: the network gives non-finite features for some images. '
                'Use a checkpoint with finite weights (--checkpoint).'
            )
        save_array(_part_path(self._directory, 'labels', number), labels)
        save_array(path, vectors)

    def finish(self, parts: int, ids: Sequence[str], classes: Sequence[str]) -> None:
        """Writes the manifest, after all parts."""
        content = {'parts': parts, 'classes': list(classes), 'ids': list(ids)}
        files.write_atomically(self._directory / MANIFEST, json.dumps(content).encode())


def check_key(directory: pathlib.Path, **expected: str) -> None:
    """Refuses an index of other weights, other records or another kind.

    Args:
        directory: The directory of the index.
        expected: Fields of its key, see `IndexWriter`.

    Raises:
        DataError: The key differs, or there is no index.
    """
    path = directory / _KEY_FILE
    if not path.is_file():
        raise errors.DataError(f'{directory} holds no index. Build it with --retrieve=index.')
    key = read_json(path)
    for name, value in {'format': FORMAT, **expected}.items():
        if key.get(name) != value:
            raise errors.DataError(
                f'{directory} holds an index of another {_KEY_WORDS[name]}: {key.get(name)!r}, '
                f'expected {value!r}. Choose another --index_dir, or delete this one.'
            )


def load(directory: pathlib.Path, **expected: str) -> Index:
    """Loads a finished index; its vectors are memory maps.

    Args:
        directory: The directory of the index.
        expected: Fields of its key, see `IndexWriter`.

    Raises:
        DataError: There is no index, it is unfinished or damaged, or its key differs.
    """
    check_key(directory, **expected)
    if not (directory / MANIFEST).is_file():
        raise errors.DataError(f'{directory} is unfinished. Complete it with --retrieve=index.')
    manifest = read_json(directory / MANIFEST)
    try:
        parts = _load_parts(directory, 'vectors', manifest['parts'], mmap_mode='r')
        labels = _load_parts(directory, 'labels', manifest['parts'], mmap_mode=None)
        ids, classes = tuple(manifest['ids']), tuple(manifest['classes'])
        if not _is_consistent(parts, labels, ids, classes):
            raise ValueError('its files do not fit together')
        return Index(directory, Vectors(parts), np.concatenate(labels), ids, classes)
    except _DAMAGE_ERRORS as error:
        if errors.is_of_machine(error):  # such as too many open files, one for each part
            raise
        raise errors.DataError(
            f'{directory} is damaged: {error}. Delete it and build it again.'
        ) from error


def read_json(path: pathlib.Path) -> dict:
    """Reads a JSON object of an index.

    Raises:
        DataError: The file holds something else.
    """
    try:
        content = json.loads(path.read_text())
        if isinstance(content, dict):
            return content
    except ValueError:
        pass
    raise errors.DataError(
        f'{path} is damaged: no JSON object. Delete {path.parent} and build it again.'
    )


def save_array(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes an array as a `.npy` file, atomically."""
    with files.atomic_file(path) as aside, open(aside, 'wb') as file:
        np.save(file, array)


def _part_path(directory: pathlib.Path, name: str, number: int) -> pathlib.Path:
    return directory / f'{name}-{number:05d}.npy'


def _load_parts(directory, name: str, count: int, *, mmap_mode: str | None) -> list[np.ndarray]:
    paths = [_part_path(directory, name, number) for number in range(count)]
    return [np.load(path, mmap_mode=mmap_mode, allow_pickle=False) for path in paths]


def _is_consistent(parts, labels, ids, classes) -> bool:
    lengths, every_label = [len(part) for part in parts], np.concatenate(labels)
    return (
        all(part.dtype == np.float32 and part.ndim == 2 for part in parts)
        and len({part.shape[1] for part in parts}) == 1
        and lengths == [len(part_labels) for part_labels in labels]
        and sum(lengths) == len(ids)
        and every_label.dtype.kind == 'i'
        and 0 <= every_label.min() <= every_label.max() < len(classes)
    )
