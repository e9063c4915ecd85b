"""What a source gives: itself, and pictures that are read when their turn comes."""

import dataclasses
import errno
import os
from collections.abc import Callable, Mapping, Sequence

from input_pipeline import files
from input_pipeline.images import headers
from input_pipeline.records import manifests


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One picture.

    Attributes:
        name: Unique in its split, with '/' between parts.
        label: Index of its class.
        read: Gives the encoded bytes, in any process; may raise OSError, or ValueError.
    """

    name: str
    label: int
    read: Callable[[], bytes]

    def identity(self) -> str:
        """What it is taken for the same picture by: label, size where it is known, and name."""
        return f'{self.label} {getattr(self.read, "size", "")} {self.name}'


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file as an entry reads it.

    Attributes:
        path: Of the file.
        size: Bytes that it had when it was found; -1 where it could not be looked at.
    """

    path: str
    size: int

    @classmethod
    def at(cls, path: str) -> 'File':
        """The file as it is now."""
        try:
            return cls(path, files.size(path))
        except (OSError, ValueError):
            return cls(path, -1)

    def __call__(self) -> bytes:
        path = files.at(self.path)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        with path.open('rb') as file:
            # One more, so that what is too large is noticed.
            return file.read(headers.MOST_BYTES + 1)


BY_CONTENT = "validation where the content's sha256, as a fraction, is below validation_fraction"
BY_NAME = "validation where the name's sha256, as a fraction, is below validation_fraction"


def share(sha256: str) -> float:
    """The number in [0, 1) that a hash in hexadecimal stands for; see BY_CONTENT and BY_NAME."""
    return int(sha256[:13], 16) / 16**13


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        source: The source's name.
        description: What was found, and by what it was recognised, for people.
        classes: Names in label order.
        splits: Entries by split: 'train', 'validation' and perhaps 'test'.
        split_rule: What decided the split, where the source did not come with one.
        words: What classes mean, in label order, where their names do not say it.
        ids: Their ILSVRC ids, in label order, where they have some.
        exif_orientation: Whether a picture is turned as its EXIF orientation says.
        expected: Published numbers of pictures by split, where there are some.
        square_size: Side of a record's picture; pictures of exactly this size are stored as they
            are.
        in_place: Where the source is records whose pictures have that size: how they hold them.
            Such entries read from the file `read.path`, all of it, in its order.
    """

    source: str
    description: str
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[Entry]]
    split_rule: str = ''
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    exif_orientation: bool = False
    expected: Mapping[str, int] = dataclasses.field(default_factory=dict)
    square_size: int = 256
    in_place: manifests.Layout | None = None
