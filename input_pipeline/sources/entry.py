"""What a source gives: itself, and pictures that are read when their turn comes."""

import dataclasses
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Entry:
    """One picture.

    Attributes:
        name: Unique in its split, with '/' between parts.
        label: Index of its class.
        read: Gives the encoded bytes; may raise OSError.
    """

    name: str
    label: int
    read: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        source: The source's name.
        description: What was found, for people.
        classes: Names in label order.
        splits: Entries by split, 'train' and 'validation'.
    """

    source: str
    description: str
    classes: tuple[str, ...]
    splits: dict[str, Sequence[Entry]]
