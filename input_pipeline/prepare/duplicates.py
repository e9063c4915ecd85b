"""The same picture in training and in another split, which makes errors look smaller."""

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Named:
    """Pictures of a split: names, and the beginnings of their contents' hashes, in one order."""

    names: Sequence[str]
    digests: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Leak:
    """One content in two splits: the first name that each has for it."""

    train: str
    split: str
    other: str


def find(splits: Mapping[str, Named], train: str) -> list[Leak]:
    """Every content of another split that training holds too, by split and name.

    Args:
        splits: By name of the split. Pictures with an empty digest were not read.
        train: Name of the training split.
    """
    wanted = {
        digest for split, each in splits.items() if split != train for digest in each.digests
    } - {''}
    shared: dict[str, str] = {}
    pairs = zip(splits[train].names, splits[train].digests, strict=True)
    for name, digest in pairs:
        if digest in wanted:
            shared[digest] = min(name, shared.get(digest, name))
    return sorted(
        (
            Leak(shared[digest], split, name)
            for split, each in splits.items()
            if split != train
            for name, digest in zip(each.names, each.digests, strict=True)
            if digest in shared
        ),
        key=lambda leak: (leak.split, leak.other),
    )
