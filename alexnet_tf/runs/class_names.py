"""Class names that do not come from records: ImageNet's, and those of a text file."""

import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from input_pipeline import errors
from input_pipeline.sources import synsets

_IMAGENET_FILE = pathlib.Path(__file__).parents[1] / 'data' / 'imagenet_classes.txt'


class ClassNames(NamedTuple):
    """Classes in label order.

    Attributes:
        labels: Names, or ImageNet's WordNet ids (WNIDs), as in ImageNet's records.
        words: What each label means, in words; () if the labels say it.
    """

    labels: tuple[str, ...]
    words: tuple[str, ...] = ()


@functools.cache
def load_imagenet() -> ClassNames:
    """Loads the 1000 classes of ILSVRC-2012 in the order of their WNIDs, as all programs have them.

    Example:
    >>> [column[0] for column in load_imagenet()]
    ['n01440764', 'tench, Tinca tinca']
    """
    return parse(_IMAGENET_FILE.read_text(encoding='utf-8').splitlines())


def read(path: pathlib.Path) -> ClassNames:
    """Reads a text file with a class a line, in label order.

    Raises:
        DataError: The file does not exist, is no text, or has an empty line between others.
    """
    if not path.is_file():
        raise errors.DataError(f'{path}: no such file.')
    lines = synsets.decode_text(path.read_bytes(), str(path)).rstrip().splitlines()
    if '' in map(str.strip, lines):
        number = [line.strip() for line in lines].index('') + 1
        raise errors.DataError(f'{path}, line {number} is empty; expected a class a line.')
    return parse(lines)


def parse(lines: Sequence[str]) -> ClassNames:
    """Parses lines, each a name, or a WNID followed by words.

    >>> parse(['n01440764 tench, Tinca tinca', 'n01443537 goldfish'])
    ClassNames(labels=('n01440764', 'n01443537'), words=('tench, Tinca tinca', 'goldfish'))
    >>> parse(['great white shark', 'cock']).labels
    ('great white shark', 'cock')
    """
    parts = [[*line.split(maxsplit=1), '', ''][:2] for line in lines]
    if not all(synsets.WNID.fullmatch(label) for label, _ in parts):
        return ClassNames(tuple(line.strip() for line in lines))
    labels, words = (tuple(column) for column in zip(*parts, strict=True)) if parts else ((), ())
    return ClassNames(labels, words if any(words) else ())
