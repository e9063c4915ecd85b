"""Finds images that are in training and in another split, which makes errors look smaller."""

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class SplitDigests:
    """The images of a split.

    Attributes:
        names: Names of the images.
        digests: First digits of the sha256 of their content, in the same order; '' for an image
            that could not be read.
    """

    names: Sequence[str]
    digests: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Leak:
    """An image of another split whose content is in training too.

    Attributes:
        train: Its first name in training.
        split: The other split.
        other: Its name there.
    """

    train: str
    split: str
    other: str


def find_leaks(splits: Mapping[str, SplitDigests], train: str) -> list[Leak]:
    """Finds every image of the other splits that training holds too, by split and name.

    Args:
        splits: Images by split.
        train: Name of the training split.
    """
    others = {split: images for split, images in splits.items() if split != train}
    held_out = {digest for images in others.values() for digest in images.digests} - {''}
    shared: dict[str, str] = {}
    for name, digest in zip(splits[train].names, splits[train].digests, strict=True):
        if digest in held_out:
            shared[digest] = min(name, shared.get(digest, name))
    leaks = [
        Leak(shared[digest], split, name)
        for split, images in others.items()
        for name, digest in zip(images.names, images.digests, strict=True)
        if digest in shared
    ]
    return sorted(leaks, key=lambda leak: (leak.split, leak.other))
