"""Counts files by what happened to them, with an example of each kind."""

from collections.abc import Iterable, Mapping

Counts = dict[str, tuple[int, str]]  # by kind, the number and the first name of its files


def add(counts: Counts, kind: str, example: str, number: int = 1) -> None:
    """Counts files of a kind; the example that is kept is the first by name, in whatever order.

    >>> counts = {}
    >>> add(counts, 'turned upright', 'dog/2.jpg')
    >>> add(counts, 'turned upright', 'cat/7.jpg')
    >>> counts
    {'turned upright': (2, 'cat/7.jpg')}
    """
    before, first = counts.get(kind, (0, example))
    counts[kind] = (before + number, min(first, example))


def merge(parts: Iterable[Mapping[str, tuple[int, str]]]) -> Counts:
    """Adds up several counts, the kinds in alphabetical order."""
    merged: Counts = {}
    for part in parts:
        for kind, (number, example) in part.items():
            add(merged, kind, example, number)
    return dict(sorted(merged.items()))
