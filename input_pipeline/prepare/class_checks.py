"""Looks for classes that cannot be learned or judged, and for names that may be misspelt."""

import collections
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from input_pipeline import errors
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

ClassCounts = dict[str, dict[str, int]]  # by class and split, the number of images

_WORD = re.compile(r'[^\W\d_]{3,}')  # in which another letter may be a mistake


def count_labels(classes: Sequence[str], labels: Mapping[str, Iterable[int]]) -> ClassCounts:
    """Counts the images of each class in each split.

    >>> count_labels(['cat', 'dog'], {'train': [0, 1, 1], 'validation': [0]})
    {'cat': {'train': 1, 'validation': 1}, 'dog': {'train': 2, 'validation': 0}}

    Args:
        classes: Class names in label order.
        labels: By split, the label of each image.
    """
    counts = {split: collections.Counter(numbers) for split, numbers in labels.items()}
    return {
        name: {split: counts[split][label] for split in counts}
        for label, name in enumerate(classes)
    }


def count_source(source: entries_lib.Source) -> ClassCounts:
    """Counts the images of each class of a source in each split."""
    labels = {split: (entry.label for entry in source.splits[split]) for split in source.splits}
    return count_labels(source.classes, labels)


def check_training_images(found: ClassCounts, readable: ClassCounts, place: str) -> None:
    """Checks that every class that has images has some to train on.

    Args:
        found: What the source holds, from `count_labels`.
        readable: What of it can be read.
        place: Where the images are, for the message.

    Raises:
        DataError: A class occurs in other splits only, or its training images are unreadable.
    """
    present = [name for name, counts in found.items() if any(counts.values())]
    missing = [name for name in present if not readable[name][manifests.TRAIN]]
    if missing:
        unreadable = any(found[name][manifests.TRAIN] for name in missing)
        problem = 'no readable training images' if unreadable else 'images in other splits only'
        raise errors.DataError(
            f'{"class" if len(missing) == 1 else "classes"} with {problem}: '
            f'{errors.join_some(missing)} ({place}). '
            'Add training images, or remove all images of it from the other splits.'
        )


def find_warnings(classes: ClassCounts) -> list[str]:
    """Lists what looks like a mistake in the classes of a data set, as sentences.

    Args:
        classes: From `count_labels`.
    """
    splits = next(iter(classes.values()), {})
    empty = [name for name, counts in classes.items() if not any(counts.values())]
    single = [name for name, counts in classes.items() if sum(counts.values()) == 1]
    problems = [(empty, 'no image at all'), (single, 'a single image')]
    for split in splits:
        absent = [name for name in classes if not classes[name][split] and name not in empty]
        if split != manifests.TRAIN:
            problems.append((absent, f'no image in {split}, so nothing is known of its errors'))
    warnings = [
        f'{"one class has" if len(names) == 1 else f"{len(names):,} classes have"} {problem}: '
        f'{errors.join_some(names)}'
        for names, problem in problems
        if names
    ]
    if similar := find_similar_names(classes):
        pairs = errors.join_some([f'{first} and {second}' for first, second in similar])
        warnings.append(f'names of classes differ in case or by a letter: {pairs}. Are they one?')
    return warnings


def find_similar_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Lists pairs of names that differ in case, by a letter, or by two swapped letters.

    >>> find_similar_names(['ant', 'Ant', 'atn', 'bee', 'c1', 'c2'])
    [('Ant', 'ant'), ('Ant', 'atn')]

    Args:
        names: Different names. Digits are not letters: 'class 1' and 'class 2' are no mistake.
    """
    by_pattern = collections.defaultdict(set)
    for name in names:
        for pattern in (name.casefold(), *_make_patterns(name.casefold())):
            by_pattern[pattern].add(name)
    pairs = set()
    for group in by_pattern.values():
        first, *others = sorted(group)
        pairs |= {(first, other) for other in others}
    for name in names:  # with a letter more than another
        for shorter in _drop_letters(name.casefold()):
            pairs |= {tuple(sorted((name, other))) for other in by_pattern.get(shorter, ())}
    return sorted(pairs)


def _make_patterns(name: str) -> Iterator[str]:
    """Yields patterns of a name, with '?' for a letter, or with two letters in either order."""
    for at, end in _iter_letters(name):
        yield f'{name[:at]}?{name[at + 1 :]}'
        if at + 1 < end:
            yield f'{name[:at]}{"~".join(sorted(name[at : at + 2]))}{name[at + 2 :]}'


def _drop_letters(name: str) -> Iterator[str]:
    for at, _ in _iter_letters(name):
        yield name[:at] + name[at + 1 :]


def _iter_letters(name: str) -> Iterator[tuple[int, int]]:
    """Yields each letter's position and the end of its word; the A of 'type A' is no word."""
    for word in _WORD.finditer(name):
        yield from ((at, word.end()) for at in range(*word.span()))
