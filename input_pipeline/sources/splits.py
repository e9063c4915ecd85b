"""Splits: what they are called, and which images are held out where a source has none."""

import collections
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence

from input_pipeline import errors
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

Splits = dict[str, list[entries_lib.Entry]]

# What folders, files and rows of a list call the splits, in upper or lower case.
NAMES = {
    'train': manifests.TRAIN,
    'training': manifests.TRAIN,
    'val': manifests.VALIDATION,
    'validation': manifests.VALIDATION,
    'valid': manifests.VALIDATION,
    'test': manifests.TEST,
    'testing': manifests.TEST,
}
# How a source was split, as manifests keep it.
BY_CLASS_AND_CONTENT = (
    'validation where the sha256 of the content is among the lowest of its class, '
    'validation_fraction of them'
)
BY_CLASS_AND_NAME = BY_CLASS_AND_CONTENT.replace('content', 'name')
# Rules of older versions, for records that were prepared by them.
_BY_CONTENT = "validation where the content's sha256, as a fraction, is below validation_fraction"
_BY_NAME = "validation where the name's sha256, as a fraction, is below validation_fraction"
OLDER_RULES = (_BY_CONTENT, _BY_NAME)


def hold_out(
    images: Iterable[tuple[entries_lib.Entry, str]], fraction: float, *, rule: str
) -> Splits:
    """Holds out a fraction of the images of every class as the split 'validation'.

    The images of a class are sorted by digest, and the first are held out: the rounded fraction,
    but at least one and never all, if the class has two different images. Images with the same
    digest stay together; if their labels differ they stay in training, since an error on them would
    mean nothing.

    Args:
        images: Each image with the hexadecimal sha256 that decides, of its content or name.
        fraction: Fraction of the images to hold out, in [0, 1].
        rule: How; one of OLDER_RULES repeats what an older version did.
    """
    images = list(images)
    if rule in OLDER_RULES:
        held_out = {digest for _, digest in images if _is_below(digest, fraction)}
    else:
        held_out = _choose_digests(images, fraction)
    splits: Splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for entry, digest in images:
        splits[manifests.VALIDATION if digest in held_out else manifests.TRAIN].append(entry)
    return splits


def hash_content(entry: entries_lib.Entry) -> str:
    """Computes the sha256 of an image's content, or of its name if it cannot be read."""
    try:
        return hashlib.sha256(entry.read()).hexdigest()
    except (OSError, ValueError) as error:
        if errors.is_of_machine(error):
            raise
        return hash_name(entry.name)


def hash_name(name: str) -> str:
    """Computes the sha256 of a name."""
    return hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()


def name_validation(splits: Splits) -> str:
    """Uses a test split as validation if there is no other; returns a note for descriptions."""
    if manifests.VALIDATION in splits or manifests.TEST not in splits:
        return ''
    splits[manifests.VALIDATION] = splits.pop(manifests.TEST)
    return ' (the test images are used as validation, since there is no other)'


def describe(splits: Mapping[str, Sequence[entries_lib.Entry]]) -> str:
    """Describes splits by their numbers of images, such as '10 train, 2 validation images'."""
    return ', '.join(f'{len(entries):,} {split}' for split, entries in splits.items()) + ' images'


def check(splits: Mapping[str, Sequence[entries_lib.Entry]], source_dir: str | os.PathLike) -> None:
    """Checks that no split is empty.

    Raises:
        DataError: A split is empty.
    """
    for split, entries in splits.items():
        if not entries:
            raise errors.DataError(
                f'{source_dir}: no image falls into the {split} split. Give it some, or let '
                '--validation_fraction hold some out, where the source names no splits; that takes '
                'two different images of a class that no other class holds.'
            )


def _is_below(digest: str, fraction: float) -> bool:
    return int(digest[:13], 16) / 16**13 < fraction


def _choose_digests(images: Sequence[tuple[entries_lib.Entry, str]], fraction: float) -> set[str]:
    by_class = collections.defaultdict(collections.Counter)
    for entry, digest in images:
        by_class[entry.label][digest] += 1
    labels = collections.Counter(digest for counts in by_class.values() for digest in counts)
    held_out = set()
    for counts in by_class.values():
        candidates = [(digest, counts[digest]) for digest in sorted(counts) if labels[digest] == 1]
        held_out |= _choose_of_class(candidates, counts.total(), fraction)
    return held_out


def _choose_of_class(candidates: Sequence[tuple[str, int]], total: int, fraction: float) -> set:
    """Chooses digests out of a class's sorted (digest, number of images)."""
    wanted = min(round(fraction * total), total - 1)
    chosen, number = set(), 0
    for digest, images in candidates:
        if number + images <= wanted:
            chosen.add(digest)
            number += images
    fits = [candidate for candidate in candidates if candidate[1] < total]
    if not chosen and fits:
        chosen.add(min(fits, key=lambda candidate: candidate[1])[0])
    return chosen
