"""What the two years of ILSVRC share: development kits, a tar of tars, flat tars with labels."""

import pathlib
import re
from collections.abc import Callable

from input_pipeline import errors
from input_pipeline.sources import archives, entries, synsets

INNER = re.compile(r'n\d{8}\.tar')
TRAINING = re.compile(r'n\d{8}_\d+\.(?i:jpe?g)')
_CLASSES = 'meta.mat'

Read = Callable[[str, archives.Member], archives.Member]


def classes_of(kit: pathlib.Path, year: int) -> synsets.Classes:
    """The classes in a development kit; DataError where they are not, or of another year."""
    data = archives.read(kit, [_CLASSES]).get(_CLASSES)
    if data is None:
        raise errors.DataError(f'{kit} holds no {_CLASSES}: it is no development kit.')
    return synsets.of_development_kit(data, year, f'{_CLASSES} in {kit}')


def truth_in(kit: pathlib.Path, name: str) -> tuple[str, str]:
    """(text, file for messages) of a ground truth in a kit; DataError where there is none."""
    data = archives.read(kit, [name]).get(name)
    if data is None:
        raise errors.DataError(f'{kit} holds no {name}.')
    file = f'{name} in {kit}'
    return synsets.text_of(data, file), file


def _as_found(base: str, member: archives.Member) -> archives.Member:
    return member


def training(
    path: pathlib.Path, classes: synsets.Classes, read: Read = _as_found
) -> list[entries.Entry]:
    """The pictures of a tar of one tar for each class; DataError where classes are others.

    Args:
        path: Of the tar.
        classes: Those that it must hold.
        read: What is read for a base name and its member.
    """
    labels, found, seen = classes.labels(), [], set()
    for wnid, base, member in archives.nested(path, INNER, TRAINING):
        seen.add(wnid)
        if wnid in labels:
            found.append(entries.Entry(f'train/{wnid}/{base}', labels[wnid], read(base, member)))
    synsets.check_same(sorted(seen), classes, str(path))
    return found


def flat(
    path: pathlib.Path,
    expected: re.Pattern,
    folder: str,
    classes: synsets.Classes,
    truth: tuple[str, str],
    read: Read = _as_found,
) -> list[entries.Entry]:
    """The pictures of a tar without folders, labelled in the order of their names, not the tar's.

    Args:
        path: Of the tar.
        expected: What base names look like.
        folder: In front of names.
        classes, read: As those of `training`.
        truth: See `truth_in`.
    """
    pictures = dict(archives.members(path, expected))
    text, file = truth
    labels = synsets.ground_truth(text, classes, len(pictures), file)
    return [
        entries.Entry(f'{folder}/{base}', label, read(base, pictures[base]))
        for base, label in zip(sorted(pictures), labels, strict=True)
    ]
