"""ILSVRC-2010 as downloaded, the one year whose test labels are public (paper, table 1).

Some images of the three tars were replaced later: `patch_images.tar` holds them, and each must
replace one.
"""

import dataclasses
import pathlib
import re

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, entries, ilsvrc, synsets

NAME = 'ilsvrc2010'
EXPECTED = {manifests.TRAIN: 1_261_406, manifests.VALIDATION: 50_000, manifests.TEST: 150_000}
TRAIN_TAR = 'ILSVRC2010_images_train.tar'
VALIDATION_TAR, TEST_TAR = 'ILSVRC2010_images_val.tar', 'ILSVRC2010_images_test.tar'
PATCH_TAR = 'patch_images.tar'
KIT = 'ILSVRC2010_devkit-1.0.tar.gz'
VALIDATION_TRUTH = 'ILSVRC2010_validation_ground_truth.txt'
TEST_TRUTH = 'ILSVRC2010_test_ground_truth.txt'

_VALIDATION_IMAGE = re.compile(r'ILSVRC2010_val_\d{8}\.(?i:jpe?g)')
_TEST_IMAGE = re.compile(r'ILSVRC2010_test_\d{8}\.(?i:jpe?g)')
_PATTERNS = (ilsvrc.TRAINING_IMAGE, _VALIDATION_IMAGE, _TEST_IMAGE)
_ANY_IMAGE = re.compile('|'.join(image.pattern for image in _PATTERNS))


def recognize(root: pathlib.Path) -> str:
    """Says why a folder is taken for ILSVRC-2010; '' if it is not."""
    return f'{TRAIN_TAR} is in it' if (root / TRAIN_TAR).is_file() else ''


def find_images(source_dir: str) -> entries.Source:
    """Finds the images of ILSVRC-2010, with a test split if `ILSVRC2010_images_test.tar` exists.

    Args:
        source_dir: Folder of the tars, the development kit and `patch_images.tar`.

    Raises:
        DataError: A file is missing, cut short, or of another data set.
        PackageMissing: SciPy is not installed.
    """
    root = files.as_path(source_dir)
    has_test = (root / TEST_TAR).is_file()
    for name in (TRAIN_TAR, VALIDATION_TAR, KIT, PATCH_TAR, *([TEST_TRUTH] if has_test else [])):
        if not (root / name).is_file():
            raise errors.DataError(f'{root} has no {name}. Download it into the same folder.')
    classes = ilsvrc.read_classes(root / KIT, 2010)
    splits = {manifests.TRAIN: ilsvrc.list_training_images(root / TRAIN_TAR, classes)}
    truth = ilsvrc.read_ground_truth(root / KIT, VALIDATION_TRUTH)
    splits[manifests.VALIDATION] = ilsvrc.list_flat_images(
        root / VALIDATION_TAR, _VALIDATION_IMAGE, classes=classes, truth=truth
    )
    if has_test:
        path = root / TEST_TRUTH
        truth = synsets.decode_text(path.read_bytes(), str(path)), str(path)
        splits[manifests.TEST] = ilsvrc.list_flat_images(
            root / TEST_TAR, _TEST_IMAGE, classes=classes, truth=truth
        )
    replaced = _apply_patch(root / PATCH_TAR, splits)
    return entries.Source(
        NAME,
        f'{root}: the tars of ILSVRC-2010, {replaced:,} images replaced by {PATCH_TAR}',
        classes.wnids,
        splits,
        words=classes.words,
        ids=classes.ids,
        expected={split: EXPECTED[split] for split in splits},
    )


def _apply_patch(path: pathlib.Path, splits: dict[str, list[entries.Entry]]) -> int:
    """Replaces the images that a patch replaces, in place, and returns their number."""
    members = dict(archives.iter_members(path, _ANY_IMAGE))
    total = len(members)
    for images in splits.values():
        for index, entry in enumerate(images):
            if member := members.pop(entry.name.rpartition('/')[2], None):
                images[index] = dataclasses.replace(entry, read=member)
    has_test = manifests.TEST in splits
    unused = [name for name in members if has_test or not _TEST_IMAGE.fullmatch(name)]
    if unused:
        raise errors.DataError(
            f'{path}: {len(unused)} of its images replace none, {unused[0]} first. A tar beside it '
            'is incomplete, or of another year: download it again.'
        )
    return total - len(members)
