"""Finds images that are in training and in another split, which makes errors look smaller."""

import collections
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Leak(NamedTuple):
    """An image of another split whose content is in training too.

    Attributes:
        train: Its first name in training.
        split: The other split.
        other: Its name there.
    """

    train: str
    split: str
    other: str


def find_leaks(splits: Mapping[str, Iterable[tuple[str, str]]], train: str) -> list[Leak]:
    """Finds every image of the other splits that training holds too, by split and name.

    Args:
        splits: By split, the (name, digest) of each image; the digest is '' for an image that
            could not be read.
        train: Name of the training split.
    """
    held_out = collections.defaultdict(list)
    for split, images in splits.items():
        for name, digest in images if split != train else ():
            held_out[digest].append((split, name))
    held_out.pop('', None)
    first: dict[str, str] = {}
    for name, digest in splits[train]:
        if digest in held_out:
            first[digest] = min(name, first.get(digest, name))
    leaks = [Leak(name, *other) for digest, name in first.items() for other in held_out[digest]]
    return sorted(leaks, key=lambda leak: (leak.split, leak.other))
