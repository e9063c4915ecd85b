"""A directory of records and its manifest, which counts and hashes everything in it.

`manifest.json` is written last: a directory without one is not a data set.
"""

import dataclasses
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from input_pipeline import errors, files
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.records import references

FORMAT_VERSION = 3
MANIFEST, STATISTICS, QUARANTINE = 'manifest.json', 'statistics.npz', 'quarantine.csv'
LEAKS, CONFLICTS = 'leaks.csv', 'conflicts.csv'
PREPARATION = 'preparation.json'
TRAIN, VALIDATION, TEST = 'train', 'validation', 'test'
ALL = 'all'  # stands for all splits, for counting and listing
_PREPARE_AGAIN = 'Delete the directory and prepare again.'


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a record holds its image and label.

    Attributes:
        encoding: 'jpeg' or 'raw'; or 'reference', if the record refers to an image elsewhere.
        square_size: Side of the image.
        image: Name of the image's feature.
        label: Name of the label's feature.
        first_label: The label of the first class.
        rendering: How files become pixels, if records refer to them.
        root: Folder that references start from.
    """

    encoding: str = 'jpeg'
    square_size: int = 256
    image: str = 'image/encoded'
    label: str = 'image/class/label'
    first_label: int = 0
    rendering: rendering_lib.Rendering | None = None
    root: str = ''


@dataclasses.dataclass(frozen=True)
class Shard:
    """A TFRecord file.

    Attributes:
        file: Its name in the data directory.
        records: Number of records.
        bytes: Size of the file.
        sha256: Hash of the file, 64 hexadecimal digits.

    Raises:
        ValueError: `file` is not a plain name, but leads elsewhere.
    """

    file: str
    records: int
    bytes: int
    sha256: str

    def __post_init__(self):
        if os.path.basename(self.file) != self.file or self.file in ('', os.curdir, os.pardir):
            raise ValueError(f'{self.file!r} is not the name of a file in the directory')


@dataclasses.dataclass(frozen=True, eq=False)
class ImageStatistics:
    """Statistics of the training images' pixels, which are in 0..255, RGB.

    Attributes:
        mean_image: (size, size, 3) float32; usually 256 x 256.
        covariance: (3, 3) float64, of the RGB of pixels in 64 rows, in grey levels squared. In
            older data sets it is of all rows, and it and the mean image are of the stored pixels.
        eigenvalues: (3,) float64, of the covariance, descending.
        eigenvectors: (3, 3) float64; column i belongs to eigenvalue i, its largest component is
            positive.
    """

    mean_image: np.ndarray
    covariance: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a data directory holds.

    Attributes:
        directory: The data directory.
        source: Name of the source of the images.
        classes: Class names in label order.
        words: Meanings of the classes, if their names do not say it.
        ids: ILSVRC ids of the classes, if they have any.
        layout: How records hold images.
        settings: The settings that decided the images and records.
        splits: Shards by split.
        expected: Published number of images by split, if there is one.
        kinds: By split, the number of images of each kind: 'JPEG', 'CMYK JPEG', 'PNG', ...
        entries_sha256: By split, the hash of all images' names, labels and sizes.
        statistics_sha256: Hash of `statistics.npz`.
        quarantined: Number of images left out.
        leaked: Number of images of other splits that the training split holds too.
        versions: Versions of the packages that wrote it.
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
        """The hash of the manifest, and so of all that it hashes, in any directory."""
        layout = dataclasses.replace(self.layout, root='')
        text = dataclasses.replace(self, layout=layout).to_json()
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def all_shards(self) -> list[Shard]:
        """The shards of all splits."""
        return [shard for shards in self.splits.values() for shard in shards]

    def count_examples(self, split: str) -> int:
        """Counts the records of a split, or of all."""
        return sum(shard.records for shard in self._get_shards(split))

    def list_shards(self, split: str) -> list[tuple[str, int]]:
        """Lists (path, number of records) of each non-empty shard of a split, or of all."""
        return [
            (str(self.directory / shard.file), shard.records)
            for shard in self._get_shards(split)
            if shard.records
        ]

    def _get_shards(self, split: str) -> Sequence[Shard]:
        return self.all_shards if split == ALL else self.splits[split]

    def to_json(self) -> str:
        """Serializes the manifest, without its directory."""
        fields = dataclasses.asdict(self)
        del fields['directory']
        del fields['layout']['rendering']  # which is in the settings
        if not self.layout.root:
            del fields['layout']['root']
        fields['classes_sha256'] = _hash_classes(self.classes)
        return json.dumps({'format_version': FORMAT_VERSION} | fields, indent=2) + '\n'


def load(data_dir: str | pathlib.Path) -> Manifest:
    """Reads the manifest of a data directory and checks that all files have the right size.

    Raises:
        DataError: There is no readable manifest, or the files do not match it.
    """
    directory = files.as_path(data_dir)
    manifest = read(directory)
    for shard in manifest.all_shards:
        _check_size(directory / shard.file, shard.bytes)
    _check_hash(directory / STATISTICS, manifest.statistics_sha256)
    return manifest


def verify(manifest: Manifest) -> None:
    """Compares the content of every shard with its hash.

    Raises:
        DataError: A shard is not what was written.
    """
    for shard in manifest.all_shards:
        _check_hash(manifest.directory / shard.file, shard.sha256)


def load_statistics(manifest: Manifest) -> ImageStatistics:
    """Reads the statistics of the training images."""
    return ImageStatistics(**load_arrays(manifest.directory / STATISTICS))


def read(data_dir: str | pathlib.Path) -> Manifest:
    """Reads the manifest of a data directory without looking at the other files.

    Raises:
        DataError: There is no manifest, or it cannot be read.
    """
    path = files.as_path(data_dir) / MANIFEST
    try:
        fields = json.loads(path.read_text())
        version = fields.pop('format_version')
        if version != FORMAT_VERSION:
            raise errors.DataError(
                f'{path} has format version {version}; this program reads version '
                f'{FORMAT_VERSION}. Prepare the data again in an empty directory.'
            )
        class_hash = fields.pop('classes_sha256')
        manifest = _parse(path.parent, fields)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise errors.DataError(
            f'{path.parent} holds no prepared data: {path.name} is missing. '
            'Run --mode=prepare first, or name another --data_dir.'
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.DataError(
            f'{path} is not a manifest of records ({error}). If the directory holds records, '
            'delete it and prepare again; if it holds images, move that file elsewhere.'
        ) from error
    if _hash_classes(manifest.classes) != class_hash:
        raise errors.DataError(f'{path}: the class names do not match their hash. {_PREPARE_AGAIN}')
    return manifest


def _parse(directory: pathlib.Path, fields: dict[str, Any]) -> Manifest:
    for name in ('classes', 'words', 'ids'):
        fields[name] = tuple(fields[name])
    fields['layout'] = layout = Layout(**fields['layout'])
    if layout.encoding == references.ENCODING:
        rendering = rendering_lib.Rendering.from_settings(fields['settings'])
        fields['layout'] = dataclasses.replace(layout, rendering=rendering)
    fields['splits'] = {
        split: tuple(Shard(**shard) for shard in shards)
        for split, shards in fields['splits'].items()
    }
    return Manifest(directory=directory, **fields)


def _hash_classes(classes: Sequence[str]) -> str:
    return hashlib.sha256('\n'.join(classes).encode()).hexdigest()


def _check_size(path: pathlib.Path, expected: int) -> None:
    _check_exists(path)
    size = files.get_size(path)
    if size != expected:
        problem = f'{size} bytes, the manifest says {expected}'
        raise errors.DataError(f'{path} has {problem}. {_PREPARE_AGAIN}')


def _check_hash(path: pathlib.Path, expected: str) -> None:
    _check_exists(path)
    if files.compute_sha256(path) != expected:
        problem = 'is not what prepare wrote: its sha256 differs'
        raise errors.DataError(f'{path} {problem}. {_PREPARE_AGAIN}')


def _check_exists(path: pathlib.Path) -> None:
    if not path.exists():
        raise errors.DataError(f'{path} is missing, but the manifest lists it. {_PREPARE_AGAIN}')


def load_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads an npz file: arrays by name."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as saved:
        return dict(saved)


def save_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays by name to an npz file, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files.write_atomically(path, buffer.getvalue())
