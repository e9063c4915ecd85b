"""What a source gives: itself, and pictures that are read when their turn comes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence


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


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file as an entry reads it."""

    path: str

    def __call__(self) -> bytes:
        with open(self.path, 'rb') as file:
            return file.read()


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        source: The source's name.
        description: What was found, and by what it was recognised, for people.
        classes: Names in label order.
        splits: Entries by split: 'train', 'validation' and perhaps 'test'.
        words: What classes mean, in label order, where their names do not say it.
        ids: Their ILSVRC ids, in label order, where they have some.
        exif_orientation: Whether a picture is turned as its EXIF orientation says.
        expected: Published numbers of pictures by split, where there are some.
        square_size: Side of a record's picture; pictures of exactly this size are stored as they
            are.
    """

    source: str
    description: str
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[Entry]]
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    exif_orientation: bool = False
    expected: Mapping[str, int] = dataclasses.field(default_factory=dict)
    square_size: int = 256
