"""ImageNet's full releases: a tar of one tar for each WordNet id, without a split.

Fall 2011 has 21,841 classes, to pre-train on. The 10,184 of Deng et al. (ECCV 2010) are those of
the paper's section 6: "half of the images for training and half for testing".
"""

import hashlib
import pathlib
from collections.abc import Sequence

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, entries, ilsvrc, splits, synsets

FALL2011, IMAGENET10K = 'fall2011', 'imagenet10k'
TARS = {
    FALL2011: ('fall11_whole.tar', 'winter21_whole.tar'),
    IMAGENET10K: ('imagenet10k_eccv2010.tar',),
}
CLASSES = {'fall11_whole.tar': 21_841, 'winter21_whole.tar': 19_167, TARS[IMAGENET10K][0]: 10_184}
WORDS = 'words.txt'
_HALVES = "validation where the content's sha256 begins with a bit of 1"  # kept in manifests


def recognize(root: pathlib.Path) -> tuple[str, str]:
    """Returns (source, reason) if a folder holds such a release, and ('', '') if it does not."""
    for source, names in TARS.items():
        for name in names:
            for file in (name, f'{name}.gz'):  # packed, for the message that says to unpack it
                if (root / file).is_file():
                    return source, f'{file} is in it'
    return '', ''


def find_images(
    source: str, source_dir: str, *, validation_fraction: float, split_rule: str = ''
) -> entries.Source:
    """Finds the images of a release, and the words of its classes if `words.txt` is beside it.

    Args:
        source: FALL2011 or IMAGENET10K.
        source_dir: Folder of the tar.
        validation_fraction: Fraction of each class of FALL2011 to hold out, by the hash of an
            image's name, since the content is a terabyte. Half of IMAGENET10K is always held out,
            by content.
        split_rule: For FALL2011; see `splits.hold_out`; '' for the present rule.

    Raises:
        DataError: There is no such tar, or it is damaged.
    """
    root = files.as_path(source_dir)
    path = _find_tar(root, source)
    members = archives.iter_nested_members(path, ilsvrc.CLASS_TAR, ilsvrc.TRAINING_IMAGE)
    rows = list(members)
    if not rows:
        raise errors.DataError(f'{path} holds no tars of images. Download it again.')
    classes = synsets.Classes.from_wnids({wnid for wnid, *_ in rows}, _read_words(root))
    labels = classes.labels_by_wnid()
    images = [entries.Entry(f'{wnid}/{base}', labels[wnid], member) for wnid, base, member in rows]
    is_halved = source == IMAGENET10K
    if is_halved:
        divided, rule = _halve(images), _HALVES
    else:
        rule = split_rule or splits.BY_CLASS_AND_NAME
        digests = ((entry, splits.hash_name(entry.name.rpartition('/')[2])) for entry in images)
        divided = splits.hold_out(digests, validation_fraction, rule=rule)
    how = 'halves by content' if is_halved else 'held out by name'
    return entries.Source(
        source,
        f'{path}: {len(classes.wnids):,} of {CLASSES[path.name]:,} published classes, {how}',
        classes.wnids,
        divided,
        split_rule=rule,
        words=classes.words,
    )


def _find_tar(root: pathlib.Path, source: str) -> pathlib.Path:
    for name in TARS[source]:
        if (root / name).is_file():
            return root / name
    packed = [f'{name}.gz' for name in TARS[source] if (root / f'{name}.gz').is_file()]
    advice = f'Unpack {packed[0]} with gunzip first' if packed else 'Download it'
    raise errors.DataError(f'{root} has no {TARS[source][0]}. {advice}.')


# Paper: it does not say which half of the images is for testing. The hash of the content decides
# here, so that everybody gets the same halves.
def _halve(images: Sequence[entries.Entry]) -> splits.Splits:
    halves: splits.Splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for entry in images:
        halves[_choose_half(entry.read)].append(entry)
    return halves


def _choose_half(member: archives.Member) -> str:
    try:
        is_held_out = hashlib.sha256(member()).digest()[0] >= 0x80
    except (OSError, ValueError) as error:
        if errors.is_of_machine(error):
            raise
        is_held_out = False  # it will be quarantined anyway
    return manifests.VALIDATION if is_held_out else manifests.TRAIN


def _read_words(root: pathlib.Path) -> dict[str, str]:
    file = root / WORDS
    if not file.is_file():
        return {}
    text = synsets.decode_text(file.read_bytes(), str(file))
    return synsets.parse_words(text.replace('\t', ' '), str(file))
