"""ILSVRC-2010: patches, packed members, the test split; and what is refused."""

import pytest

from input_pipeline import errors
from input_pipeline.sources import ilsvrc2010

TRAIN, KIT = 'ILSVRC2010_images_train.tar', 'ILSVRC2010_devkit-1.0.tar.gz'
PATCH, TRUTH = 'patch_images.tar', 'ILSVRC2010_test_ground_truth.txt'


def test_labels_patches_and_packed_members(set2010, imitate):
    found = ilsvrc2010.find(str(set2010.root))
    assert found.classes == tuple(sorted(imitate.IDS))
    assert found.ids == tuple(imitate.IDS[wnid] for wnid in found.classes)
    held = {
        'train': (set2010.made.train, set2010.made.wnids),
        'validation': (set2010.made.held_out, set2010.made.wnids),
        'test': (set2010.test.held_out, set2010.test.wnids),
    }
    assert set(found.splits) == set(held)
    for split, (pictures, wnids) in held.items():
        assert len(found.splits[split]) == len(pictures)
        for each in found.splits[split]:
            name = each.name.rpartition('/')[2]
            assert each.label == imitate.LABELS[wnids[name]]
            assert each.read() == set2010.patch.get(name, pictures[name])
    assert '3 pictures replaced' in found.description


def test_the_test_split_may_be_missing(set2010):
    (set2010.root / 'ILSVRC2010_images_test.tar').unlink()
    (set2010.root / TRUTH).unlink()
    found = ilsvrc2010.find(str(set2010.root))
    assert set(found.splits) == {'train', 'validation'}
    assert found.expected == {'train': 1261406, 'validation': 50000}


def no_patch(given, imitate):
    (given.root / PATCH).unlink()


def patch_of_another(given, imitate):
    member = {'patch/train/n01440764_999.JPEG': imitate.picture(3)}
    (given.root / PATCH).write_bytes(imitate.tar_of(member))


def no_test_truth(given, imitate):
    (given.root / TRUTH).unlink()


def long_truth(given, imitate):
    (given.root / TRUTH).write_text('\n'.join(map(str, [*given.test.truth(), 1])))


def kit_of_2012(given, imitate):
    (given.root / KIT).write_bytes(imitate.kit(2012, truth=given.made.truth()))


def kit_without_truth(given, imitate):
    (given.root / KIT).write_bytes(imitate.kit(2010))


def no_kit_at_all(given, imitate):
    (given.root / KIT).write_bytes(imitate.tar_of({'a': b'b'}, 'w:gz'))


def broken_table(given, imitate):
    members = {'devkit-1.0/data/meta.mat': b'MATLAB 5.0 MAT-file' + bytes(500)}
    (given.root / KIT).write_bytes(imitate.tar_of(members, 'w:gz'))


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (no_patch, 'has no patch_images.tar'),
        (patch_of_another, '1 of its pictures replace none, n01440764_999.JPEG first'),
        (no_test_truth, 'has no ILSVRC2010_test_ground_truth'),
        (long_truth, '9 labels for 8 pictures'),
        (kit_of_2012, 'kit of another year'),
        (kit_without_truth, 'holds no ILSVRC2010_validation_ground_truth'),
        (no_kit_at_all, 'holds no meta.mat'),
        (broken_table, 'is no meta.mat of a development kit'),
    ],
)
def test_what_is_not_whole_is_refused(spoil, said, set2010, imitate):
    spoil(set2010, imitate)
    with pytest.raises(errors.DataError, match=said):
        ilsvrc2010.find(str(set2010.root))
