"""ILSVRC-2010 as downloaded: the one year of which the test labels are public (paper, table 1).

Some pictures of the three tars were replaced afterwards: `patch_images.tar` holds them, and all of
it must find its place.
"""

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

_FLAT = {
    manifests.VALIDATION: re.compile(r'ILSVRC2010_val_\d{8}\.(?i:jpe?g)'),
    manifests.TEST: re.compile(r'ILSVRC2010_test_\d{8}\.(?i:jpe?g)'),
}
_ANY = re.compile('|'.join(each.pattern for each in (ilsvrc.TRAINING, *_FLAT.values())))


def recognises(root: pathlib.Path) -> str:
    """Why a folder is taken for this set; '' where it is not."""
    return f'{TRAIN_TAR} is in it' if (root / TRAIN_TAR).is_file() else ''


def find(source_dir: str) -> entries.Found:
    """The set in a folder; its test split where `ILSVRC2010_images_test.tar` is there.

    Raises:
        DataError: Something is missing, cut short, or of another set.
    """
    root = files.at(source_dir)
    test = (root / TEST_TAR).is_file()
    for name in (TRAIN_TAR, VALIDATION_TAR, KIT, PATCH_TAR, *([TEST_TRUTH] if test else [])):
        if not (root / name).is_file():
            raise errors.DataError(f'{root} has no {name}. Download it into the same folder.')
    classes = ilsvrc.classes_of(root / KIT, 2010)
    patch = _Patch(root / PATCH_TAR)
    truth = ilsvrc.truth_in(root / KIT, VALIDATION_TRUTH)
    splits = {
        manifests.TRAIN: ilsvrc.training(root / TRAIN_TAR, classes, patch),
        manifests.VALIDATION: ilsvrc.flat(
            root / VALIDATION_TAR, _FLAT[manifests.VALIDATION], 'val', classes, truth, patch
        ),
    }
    if test:
        path = root / TEST_TRUTH
        truth = synsets.text_of(path.read_bytes(), str(path)), str(path)
        splits[manifests.TEST] = ilsvrc.flat(
            root / TEST_TAR, _FLAT[manifests.TEST], manifests.TEST, classes, truth, patch
        )
    patch.check_used(whole=test)
    return entries.Found(
        NAME,
        f'{root}: the tars of ILSVRC-2010, {patch.used:,} pictures replaced by {PATCH_TAR}',
        classes.wnids,
        splits,
        words=classes.words,
        ids=classes.ids,
        expected={split: EXPECTED[split] for split in splits},
    )


class _Patch:
    """The replacements, by name."""

    def __init__(self, path):
        self._path = path
        self._left = dict(archives.members(path, _ANY))
        self.used = 0

    def __call__(self, base: str, member: archives.Member) -> archives.Member:
        """What is read for a picture."""
        better = self._left.pop(base, None)
        self.used += better is not None
        return better or member

    def check_used(self, *, whole: bool) -> None:
        """Refuses a patch of which something found no place."""
        left = [base for base in self._left if whole or not _FLAT[manifests.TEST].fullmatch(base)]
        if left:
            raise errors.DataError(
                f'{self._path}: {len(left)} of its pictures replace none, {left[0]} first. A tar '
                'is not whole, or of another year.'
            )
