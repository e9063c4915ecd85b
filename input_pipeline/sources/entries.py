"""What a source provides: classes, splits, and entries that read their image when needed."""

import dataclasses
import errno
import os
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence

from input_pipeline import errors, files, tally
from input_pipeline.images import headers
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.records import manifests

COPY_SUFFIX = '.images'  # of files that a source copies to read them in random order


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An image of a source.

    Attributes:
        name: Unique in its split, with '/' between parts.
        label: Index of its class.
        read: Returns the encoded bytes, in any process; may raise OSError or ValueError.
    """

    name: str
    label: int
    read: Callable[[], bytes]

    @property
    def identity(self) -> str:
        """The label, the size in bytes if it is known, and the name: equal for the same image."""
        return f'{self.label} {getattr(self.read, "size", "")} {self.name}'


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that an entry reads.

    Attributes:
        path: Path of the file.
        size: Size in bytes when the source was listed; -1 if it is unknown.
    """

    path: str
    size: int

    @classmethod
    def from_path(cls, path: str) -> 'ImageFile':
        """Returns the file with its present size.

        Raises:
            OSError: The disk is lost, or another error of the machine.
        """
        try:
            return cls(path, files.get_size(path))
        except (OSError, ValueError) as error:
            if errors.is_of_machine(error):
                raise
            return cls(path, -1)

    def __call__(self) -> bytes:
        """Reads the file, but at most one byte more than `headers.MAX_BYTES`.

        Raises:
            OSError: The file does not exist or cannot be read.
        """
        path = files.as_path(self.path)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        size = min(files.get_size(path), headers.MAX_BYTES)
        with path.open('rb') as file:
            return file.read(size + 1)  # as many bytes are allocated


@dataclasses.dataclass(frozen=True)
class Source:
    """The images of a source, by split.

    Attributes:
        name: Name of the kind of source, as manifests keep it.
        description: What was found, for people.
        classes: Class names in label order.
        splits: Entries by split: 'train', 'validation' and perhaps 'test'.
        split_rule: How images were assigned to splits, if the source does not say it.
        words: Meanings of the classes in label order, if their names do not say it.
        ids: ILSVRC ids of the classes in label order, if they have some.
        rendering: How files become pixels: as they are, or as own images should be shown.
        expected: Published numbers of images by split, if there are some.
        square_size: Side of a stored image in pixels. Images of exactly this size are not resized.
        in_place_layout: Layout of the source's own records, if it consists of records whose images
            have that size. Its entries then read all of the file `read.path`, in its order.
        ignored: Files left out, since they are no images of a class, by kind, with an example.
        warnings: Sentences on what looks like a mistake.
        root: Folder that the images lie in, from which an index refers to them.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[Entry]]
    split_rule: str = ''
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    rendering: rendering_lib.Rendering = rendering_lib.PLAIN
    expected: Mapping[str, int] = dataclasses.field(default_factory=dict)
    square_size: int = 256
    in_place_layout: manifests.Layout | None = None
    ignored: tally.Counts = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    root: str = ''


def list_copies(copies_dir: pathlib.Path) -> list[pathlib.Path]:
    """Lists the files of a directory that have the suffix of a source's copies."""
    return [path for path in copies_dir.glob(f'*{COPY_SUFFIX}') if path.is_file()]


def remove_copies(copies_dir: pathlib.Path, *, but: Collection[pathlib.Path] = ()) -> None:
    """Removes the files that a source copied, as it does each time its images are listed.

    Args:
        copies_dir: Directory of the copies.
        but: Files of that name which were there before.
    """
    for path in list_copies(copies_dir):
        if path not in but:
            path.unlink()
