"""Finds images with the same content: in two splits, or with two labels."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from input_pipeline.records import manifests


class Leak(NamedTuple):
    """An image of another split whose content is in training too, so that errors look smaller.

    Attributes:
        train: Its first name in training.
        split: The other split.
        other: Its name there.
    """

    train: str
    split: str
    other: str


class Conflict(NamedTuple):
    """An image whose content has another label, too, so that one of the two is wrong.

    Attributes:
        name: The first name of the content.
        class_name: Its class.
        other: Another name of the content.
        other_class: The class there.
    """

    name: str
    class_name: str
    other: str
    other_class: str


def find_leaks(splits: Mapping[str, Iterable[tuple[str, str]]]) -> list[Leak]:
    """Finds every image of the other splits that training holds too, by split and name.

    Args:
        splits: By split, the (name, digest) of each image; the digest is '' for an image that
            could not be read.
    """
    held_out = collections.defaultdict(list)
    for split, images in splits.items():
        for name, digest in images if split != manifests.TRAIN else ():
            held_out[digest].append((split, name))
    held_out.pop('', None)
    first: dict[str, str] = {}
    for name, digest in splits[manifests.TRAIN]:
        if digest in held_out:
            first[digest] = min(name, first.get(digest, name))
    leaks = [Leak(name, *other) for digest, name in first.items() for other in held_out[digest]]
    return sorted(leaks, key=lambda leak: (leak.split, leak.other))


def find_copies(images: Sequence[tuple[str, str, str]]) -> tuple[list[str], list[Conflict]]:
    """Finds images whose content occurs before, in the order of their names.

    Args:
        images: (name, class, digest) of each image of all splits; the digest is '' for an image
            that could not be read.

    Returns:
        Names of the copies with the class of their content's first image; conflicts of the others.
    """
    counts = collections.Counter(digest for _, _, digest in images)
    by_digest = collections.defaultdict(list)  # only repeated content, since images may be millions
    for name, class_name, digest in images:
        if digest and counts[digest] > 1:
            by_digest[digest].append((name, class_name))
    copies, conflicts = [], []
    for group in by_digest.values():
        first, *others = sorted(group)
        copies += [name for name, class_name in others if class_name == first[1]]
        conflicts += [Conflict(*first, *other) for other in others if other[1] != first[1]]
    return sorted(copies), sorted(conflicts)
