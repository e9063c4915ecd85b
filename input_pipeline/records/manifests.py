"""A directory of records and its manifest, which counts and hashes all of it.

`manifest.json` is written last: a directory without one is not a data set.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from input_pipeline import errors, files

FORMAT_VERSION = 3
MANIFEST, STATISTICS, QUARANTINE = 'manifest.json', 'statistics.npz', 'quarantine.csv'
LEAKS = 'leaks.csv'
TRAIN, VALIDATION, TEST = 'train', 'validation', 'test'


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a record holds its picture and label.

    Attributes:
        encoding: Of the picture, 'jpeg' or 'raw'.
        square_size: Its side.
        image, label: Names of the features.
        first_label: The label of the first class.
    """

    encoding: str = 'jpeg'
    square_size: int = 256
    image: str = 'image/encoded'
    label: str = 'image/class/label'
    first_label: int = 0


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file."""

    file: str
    records: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a data directory holds.

    Attributes:
        directory: Where it is.
        source: Name of the source that the pictures came from.
        classes: Names in label order.
        words: What classes mean, where their names do not say it.
        ids: Their ILSVRC ids, where they have some.
        layout: How records hold pictures.
        settings: What pictures and records were made with.
        splits: Shards by split.
        expected: Published numbers of pictures by split, where there are some.
        kinds: By split, how many pictures were of which kind: 'JPEG', 'CMYK JPEG', 'PNG', ...
        entries_sha256: By split, the hash of every picture's name, label and size.
        statistics_sha256: Of `statistics.npz`.
        quarantined: Number of pictures left out.
        leaked: Number of pictures of other splits that training holds too.
        versions: Of the programs that made it.
    """

    directory: pathlib.Path
    source: str
    classes: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]
    layout: Layout
    settings: dict[str, Any]
    splits: dict[str, tuple[Shard, ...]]
    expected: dict[str, int]
    kinds: dict[str, dict[str, int]]
    entries_sha256: dict[str, str]
    statistics_sha256: str
    quarantined: int
    leaked: int
    versions: dict[str, str]

    @property
    def sha256(self) -> str:
        """The hash of the manifest, and so of everything that it hashes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def examples(self, split: str) -> int:
        """Number of records of a split."""
        return sum(shard.records for shard in self.splits[split])

    def shards(self, split: str) -> list[tuple[str, int]]:
        """(path, number of records) of each shard of a split that holds any."""
        shards = self.splits[split]
        return [(str(self.directory / each.file), each.records) for each in shards if each.records]

    def to_json(self) -> str:
        """The manifest's text; where the directory is does not belong to it."""
        fields = dataclasses.asdict(self)
        del fields['directory']
        fields['classes_sha256'] = classes_sha256(self.classes)
        return json.dumps({'format_version': FORMAT_VERSION} | fields, indent=2) + '\n'


def classes_sha256(classes: Sequence[str]) -> str:
    """The hash of the class names in their order."""
    return hashlib.sha256('\n'.join(classes).encode()).hexdigest()


def load(data_dir: str | pathlib.Path) -> Manifest:
    """The manifest of a data directory whose files are all there and of the right size.

    Raises:
        DataError: There is none, it cannot be read, or the files do not match it.
    """
    directory = files.at(data_dir)
    manifest = read(directory)
    for shards in manifest.splits.values():
        for shard in shards:
            _check_size(directory / shard.file, shard.bytes)
    _check_hash(directory / STATISTICS, manifest.statistics_sha256)
    return manifest


def verify(manifest: Manifest) -> None:
    """Compares the content of every shard with its hash.

    Raises:
        DataError: The first shard that is not what was written.
    """
    for shards in manifest.splits.values():
        for shard in shards:
            _check_hash(manifest.directory / shard.file, shard.sha256)


def statistics(manifest: Manifest) -> dict[str, np.ndarray]:
    """mean_image (256, 256, 3) float32, covariance (3, 3), eigenvalues (3,), eigenvectors (3, 3)
    float64 of the training pixels, 0..255; see `statistics.combined`."""
    return arrays(manifest.directory / STATISTICS)


def read(data_dir: str | pathlib.Path) -> Manifest:
    """The manifest of a data directory, whether or not its files are there.

    Raises:
        DataError: There is none, or it cannot be read.
    """
    path = files.at(data_dir) / MANIFEST
    try:
        fields = json.loads(path.read_text())
        version = fields.pop('format_version')
        class_hash = fields.pop('classes_sha256')
        if version != FORMAT_VERSION:
            raise errors.DataError(
                f'{path} has format version {version}, this program reads {FORMAT_VERSION}. '
                'Prepare the data again into an empty directory.'
            )
        for name in ('classes', 'words', 'ids'):
            fields[name] = tuple(fields[name])
        fields['layout'] = Layout(**fields['layout'])
        fields['splits'] = {
            split: tuple(Shard(**each) for each in shards)
            for split, shards in fields['splits'].items()
        }
        manifest = Manifest(directory=path.parent, **fields)
    except FileNotFoundError as error:
        raise errors.DataError(
            f'{path.parent} holds no prepared data: {path.name} is missing. '
            'Run --mode=prepare first, or name another --data_dir.'
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.DataError(
            f'{path} is not a manifest of prepared data ({error}). Delete {path.parent} and '
            'prepare again.'
        ) from error
    if classes_sha256(manifest.classes) != class_hash:
        raise errors.DataError(f'{path}: the class names do not match their hash. Prepare again.')
    return manifest


def _check_size(path: pathlib.Path, expected: int) -> None:
    if not path.exists():
        raise errors.DataError(f'{path} is missing, but the manifest counts it. Prepare again.')
    size = files.size(path)
    if size != expected:
        raise errors.DataError(
            f'{path} has {size} bytes, the manifest says {expected}. Delete the directory and '
            'prepare again.'
        )


def _check_hash(path: pathlib.Path, expected: str) -> None:
    if not path.exists():
        raise errors.DataError(f'{path} is missing, but the manifest counts it. Prepare again.')
    if files.sha256(path) != expected:
        raise errors.DataError(
            f'{path} is not what prepare wrote: its sha256 differs from the manifest. Delete the '
            'directory and prepare again.'
        )


def arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as saved:
        return dict(saved)


def save_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays by name, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files.write_atomically(path, buffer.getvalue())
