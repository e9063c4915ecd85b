"""Reads ImageNet's classes, which are numbered in three ways, and gives each one label.

A label is the index of a class in the sorted WordNet ids (WNIDs) of all classes. The development
kits number classes from 1 to 1000 in an order of their own, another one each year.
"""

import dataclasses
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from input_pipeline import errors

WNID = re.compile(r'n\d{8}')


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of a data set in label order.

    Attributes:
        wnids: WordNet ids such as 'n01440764', sorted.
        words: English meaning of each class; '' if it is not known.
        ids: ILSVRC ids; 0 if they are not known.
    """

    wnids: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str, int]]) -> 'Classes':
        """Returns the classes of (WNID, words, ILSVRC id) in any order.

        >>> Classes.from_rows([('n01443537', 'goldfish', 1), ('n01440764', 'tench', 2)]).words
        ('tench', 'goldfish')
        """
        return cls(*(tuple(column) for column in zip(*sorted(rows), strict=True)))

    @classmethod
    def from_wnids(cls, wnids: Iterable[str], words: Mapping[str, str]) -> 'Classes':
        """Returns classes without ILSVRC ids; `words` has the meaning of some by WNID."""
        return cls.from_rows((wnid, words.get(wnid, ''), 0) for wnid in wnids)

    def labels_by_wnid(self) -> dict[str, int]:
        """Returns the label of each WNID."""
        return {wnid: label for label, wnid in enumerate(self.wnids)}


def read_development_kit(data: bytes, year: int, file: str) -> Classes:
    """Reads the classes in a development kit's `meta.mat` that have images.

    Args:
        data: Content of the file.
        year: 2010 or 2012.
        file: What messages call it.

    Raises:
        DataError: The file is not that of this year.
        PackageMissing: SciPy is not installed.
    """
    try:
        import scipy.io  # only ImageNet's archives need it
    except ImportError as error:
        raise errors.PackageMissing(
            f'{file} is read by SciPy, which is not installed: pip install "alexnet_tf[imagenet]".'
        ) from error
    field = f'ILSVRC{year}_ID'
    try:
        rows = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)['synsets']
        names = rows.dtype.names
        if field in names:
            # A synset with children is a group of classes.
            leaves = [row for row in rows.reshape(-1) if int(row['num_children']) == 0]
            return Classes.from_rows(
                (str(row['WNID']), str(row['words']), int(row[field])) for row in leaves
            )
    except Exception as error:  # SciPy fails in any way on broken files
        raise errors.DataError(
            f'{file} is not a meta.mat of a development kit ({error}). Download the kit again.'
        ) from error
    ids = ', '.join(name for name in names if name.endswith('_ID'))
    raise errors.DataError(
        f'{file} has {ids} instead of {field}: it is the development kit of another year, which '
        f'numbers classes otherwise. Download the one of {year}.'
    )


def decode_text(data: bytes, file: str) -> str:
    """Decodes text in UTF-8, with or without a byte order mark.

    Raises:
        DataError: It is not such text; `file` is what the message calls it.
    """
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise errors.DataError(f'{file} is not text in UTF-8 ({error}). Convert it.') from error


def parse_words(text: str, file: str) -> dict[str, str]:
    """Parses lines such as 'n01440764 tench, Tinca tinca' into words by WNID.

    >>> parse_words('n01440764 tench, Tinca tinca', 'synset_words.txt')
    {'n01440764': 'tench, Tinca tinca'}

    Raises:
        DataError: A line has another form; `file` is what the message calls the file.
    """
    words = {}
    for number, line in enumerate(text.splitlines(), 1):
        wnid, _, meaning = line.strip().partition(' ')
        if not WNID.fullmatch(wnid):
            raise errors.DataError(
                f'{file}, line {number}: {line[:40]!r} starts with no WordNet id, as n01440764.'
            )
        words[wnid] = meaning.strip()
    return words


def parse_ground_truth(text: str, classes: Classes, images: int, file: str) -> list[int]:
    """Parses lines of ILSVRC ids or WNIDs into the labels of images in the order of their names.

    Args:
        text: Content of the file.
        classes: Classes that lines may name.
        images: Number of images, one for each line.
        file: What messages call it.

    Raises:
        DataError: The number of lines is another, or one names none of the classes.
    """
    lines = text.split()
    if len(lines) != images:
        raise errors.DataError(
            f'{file} has {len(lines):,} labels for {images:,} images. One of them is of another '
            'data set, or cut short: download it again.'
        )
    labels = {str(number): label for label, number in enumerate(classes.ids) if number}
    labels |= classes.labels_by_wnid()
    for number, line in enumerate(lines, 1):
        if line not in labels:
            raise errors.DataError(
                f'{file}, line {number}: {line[:40]!r} names none of the '
                f'{len(classes.wnids):,} classes. Use the labels of this data set.'
            )
    return [labels[line] for line in lines]


def check_wnids(wnids: Sequence[str], classes: Classes, place: str) -> None:
    """Checks that WNIDs are exactly those of the classes.

    Raises:
        DataError: Some are missing, or unknown; `place` says in the message where.
    """
    missing = sorted(set(classes.wnids) - set(wnids))
    unknown = sorted(set(wnids) - set(classes.wnids))
    if missing or unknown:
        problem = f'{len(missing)} of {len(classes.wnids):,} classes are missing'
        problem += f' ({", ".join(missing[:3])})' if missing else ''
        problem += f', {len(unknown)} are unknown ({", ".join(unknown[:3])})' if unknown else ''
        raise errors.DataError(f'{place}: {problem}. It is incomplete, or of another year.')
