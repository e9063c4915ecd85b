"""ImageNet's full releases: a tar of one tar for each WordNet id, and no split of its own.

Fall 2011 has 21,841 classes, to pre-train on; the 10,184 of Deng et al. (ECCV 2010) are those of
the paper's section 6, "half of the images for training and half for testing". The paper does not
say which half: here the content's hash decides, so that anyone gets the same.
"""

import hashlib
import pathlib
from collections.abc import Callable

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, entries, ilsvrc, synsets

FALL2011, IMAGENET10K = 'fall2011', 'imagenet10k'
TARS = {
    FALL2011: ('fall11_whole.tar', 'winter21_whole.tar'),
    IMAGENET10K: ('imagenet10k_eccv2010.tar',),
}
CLASSES = {'fall11_whole.tar': 21_841, 'winter21_whole.tar': 19_167, TARS[IMAGENET10K][0]: 10_184}
WORDS = 'words.txt'
_HALVES = "validation where the content's sha256 begins with a bit of 1"


def recognises(root: pathlib.Path) -> tuple[str, str]:
    """(source, why) where a folder holds such a release; ('', '') where it does not."""
    for source, names in TARS.items():
        for name in names:
            if (root / name).is_file():
                return source, f'{name} is in it'
    return '', ''


def find(source: str, source_dir: str, *, validation_fraction: float) -> entries.Found:
    """A release in a folder; beside it, ImageNet's `words.txt` where classes shall have words.

    Args:
        source: FALL2011 or IMAGENET10K.
        source_dir: Of the tar.
        validation_fraction: Share held out of FALL2011: by name, for its content is a terabyte.
            Of IMAGENET10K the half is held out whose content's sha256 begins with a bit of 1.

    Raises:
        DataError: No such tar, or it is damaged.
    """
    root = files.at(source_dir)
    path = next((root / name for name in TARS[source] if (root / name).is_file()), None)
    if path is None:
        packed = [f'{name}.gz' for name in TARS[source] if (root / f'{name}.gz').is_file()]
        how = f'Unpack {packed[0]} with gunzip first' if packed else 'Download it'
        raise errors.DataError(f'{root} has no {TARS[source][0]}. {how}.')
    halves = source == IMAGENET10K
    held_out = _by_content if halves else _by_name(validation_fraction)
    rows = [
        (wnid, base, member, held_out(base, member))
        for wnid, base, member in archives.nested(path, ilsvrc.INNER, ilsvrc.TRAINING)
    ]
    if not rows:
        raise errors.DataError(f'{path} holds no tars of pictures.')
    classes = synsets.of_names({wnid for wnid, *_ in rows}, _words(root))
    labels = classes.labels()
    splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for wnid, base, member, validation in rows:
        split = manifests.VALIDATION if validation else manifests.TRAIN
        splits[split].append(entries.Entry(f'{wnid}/{base}', labels[wnid], member))
    known, how = CLASSES[path.name], 'halves by content' if halves else 'held out by name'
    description = f'{path}: {len(classes.wnids):,} of {known:,} published classes, {how}'
    rule = _HALVES if halves else entries.BY_NAME
    return entries.Found(
        source, description, classes.wnids, splits, split_rule=rule, words=classes.words
    )


def _by_content(base: str, member: archives.Member) -> bool:
    try:
        return hashlib.sha256(member()).digest()[0] >= 0x80
    except (OSError, ValueError):
        return False  # it will be quarantined, from whichever half


def _by_name(fraction: float) -> Callable:
    def held_out(base: str, member: archives.Member) -> bool:
        return entries.share(hashlib.sha256(base.encode()).hexdigest()) < fraction

    return held_out


def _words(root) -> dict[str, str]:
    file = root / WORDS
    if not file.is_file():
        return {}
    text = synsets.text_of(file.read_bytes(), str(file))
    return synsets.words_of(text.replace('\t', ' '), str(file))
