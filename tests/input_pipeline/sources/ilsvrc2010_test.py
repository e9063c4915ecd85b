"""Checks ILSVRC-2010: patches, compressed members, the test split, and what is refused."""

import pytest

from input_pipeline import errors
from input_pipeline.sources import ilsvrc2010

TRAIN, KIT = 'ILSVRC2010_images_train.tar', 'ILSVRC2010_devkit-1.0.tar.gz'
PATCH, TRUTH = 'patch_images.tar', 'ILSVRC2010_test_ground_truth.txt'


def test_every_image_has_its_label_and_content_or_its_replacement(set2010, imitate):
    source = ilsvrc2010.find_images(str(set2010.root))
    assert source.classes == tuple(sorted(imitate.IDS))
    assert source.ids == tuple(imitate.IDS[wnid] for wnid in source.classes)
    expected = {
        'train': (set2010.images.train, set2010.images.wnids),
        'validation': (set2010.images.held_out, set2010.images.wnids),
        'test': (set2010.test.held_out, set2010.test.wnids),
    }
    assert set(source.splits) == set(expected)
    for split, (images, wnids) in expected.items():
        assert len(source.splits[split]) == len(images)
        for entry in source.splits[split]:
            name = entry.name.rpartition('/')[2]
            assert entry.label == imitate.LABELS[wnids[name]]
            assert entry.read() == set2010.patch.get(name, images[name])
    assert '3 images replaced' in source.description


def test_the_test_split_may_be_missing(set2010):
    (set2010.root / 'ILSVRC2010_images_test.tar').unlink()
    (set2010.root / TRUTH).unlink()
    source = ilsvrc2010.find_images(str(set2010.root))
    assert set(source.splits) == {'train', 'validation'}
    assert source.expected == {'train': 1261406, 'validation': 50000}


def no_patch(data_set, imitate):
    (data_set.root / PATCH).unlink()


def patch_of_another(data_set, imitate):
    member = {'patch/train/n01440764_999.JPEG': imitate.make_image(3)}
    (data_set.root / PATCH).write_bytes(imitate.make_tar(member))


def no_test_truth(data_set, imitate):
    (data_set.root / TRUTH).unlink()


def long_truth(data_set, imitate):
    (data_set.root / TRUTH).write_text('\n'.join(map(str, [*data_set.test.ground_truth(), 1])))


def kit_of_2012(data_set, imitate):
    (data_set.root / KIT).write_bytes(imitate.make_kit(2012, truth=data_set.images.ground_truth()))


def kit_without_truth(data_set, imitate):
    (data_set.root / KIT).write_bytes(imitate.make_kit(2010))


def not_a_kit(data_set, imitate):
    (data_set.root / KIT).write_bytes(imitate.make_tar({'a': b'b'}, 'w:gz'))


def broken_table(data_set, imitate):
    members = {'devkit-1.0/data/meta.mat': b'MATLAB 5.0 MAT-file' + bytes(500)}
    (data_set.root / KIT).write_bytes(imitate.make_tar(members, 'w:gz'))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (no_patch, 'has no patch_images.tar'),
        (patch_of_another, '1 of its images replace none, n01440764_999.JPEG first'),
        (no_test_truth, 'has no ILSVRC2010_test_ground_truth'),
        (long_truth, '9 labels for 8 images'),
        (kit_of_2012, 'kit of another year'),
        (kit_without_truth, 'holds no ILSVRC2010_validation_ground_truth'),
        (not_a_kit, 'holds no meta.mat'),
        (broken_table, 'is not a meta.mat of a development kit'),
    ],
)
def test_incomplete_or_mixed_downloads_are_refused(damage, message, set2010, imitate):
    damage(set2010, imitate)
    with pytest.raises(errors.DataError, match=message):
        ilsvrc2010.find_images(str(set2010.root))
