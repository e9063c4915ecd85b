"""Folders of class folders, good and bad."""

import os
import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest

from input_pipeline import errors
from input_pipeline.sources import folder


@pytest.fixture
def root(tmp_path):
    for name in ('b', 'a'):
        (tmp_path / name).mkdir()
        for at in range(30):
            pixels = np.full((8, 8, 3), at * 5 + (name == 'a'), np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / name / f'{at}.png')
    return tmp_path


def names(found, split):
    return {each.name for each in found.splits[split]}


def test_classes_and_labels_in_name_order(root):
    found = folder.find(str(root), validation_fraction=0.3)
    assert found.classes == ('a', 'b')
    for each in [*found.splits['train'], *found.splits['validation']]:
        assert found.classes[each.label] == pathlib.PurePosixPath(each.name).parts[0]
        assert each.read() == (root / each.name).read_bytes()


def test_splits_hold_every_picture_once(root):
    found = folder.find(str(root), validation_fraction=0.3)
    train, validation = names(found, 'train'), names(found, 'validation')
    assert not train & validation
    assert len(train | validation) == 60
    assert 5 <= len(validation) <= 30


def test_content_decides_the_split(root):
    """Renamed, and joined by others, a picture stays on its side."""
    before = folder.find(str(root), validation_fraction=0.3)
    held = {(root / name).read_bytes() for name in names(before, 'validation')}
    for path in list(root.rglob('*.png')):
        path.rename(path.with_name(f'renamed-{path.name}'))
    shutil.copy(root / 'a' / 'renamed-3.png', root / 'a' / 'twin.png')
    after = folder.find(str(root), validation_fraction=0.3)
    assert {(root / name).read_bytes() for name in names(after, 'validation')} == held


def test_train_and_val_folders(root):
    (root / 'train').mkdir()
    for name in ('a', 'b'):
        (root / name).rename(root / 'train' / name)
        (root / 'val' / name).mkdir(parents=True)
        (root / 'train' / name / '0.png').rename(root / 'val' / name / '0.png')
    found = folder.find(str(root), validation_fraction=0.3)
    assert names(found, 'validation') == {'val/a/0.png', 'val/b/0.png'}
    assert len(names(found, 'train')) == 58


def test_they_may_be_written_otherwise(root):
    for name in ('a', 'b'):
        (root / 'Training').mkdir(exist_ok=True)
        (root / name).rename(root / 'Training' / name)
        (root / 'Testing' / name).mkdir(parents=True)
        (root / 'Training' / name / '0.png').rename(root / 'Testing' / name / '0.png')
    found = folder.find(str(root), validation_fraction=0.3)
    assert found.classes == ('a', 'b')
    assert names(found, 'validation') == {'Testing/a/0.png', 'Testing/b/0.png'}
    shutil.rmtree(root / 'Testing')
    with pytest.raises(errors.DataError, match='has Training/ but none of val'):
        folder.find(str(root), validation_fraction=0.3)


def test_a_class_may_be_called_as_a_split_is(root):
    (root / 'a').rename(root / 'training')
    shutil.copytree(root / 'b', root / 'testing')
    found = folder.find(str(root), validation_fraction=0.3)
    assert found.classes == ('b', 'testing', 'training')


def test_system_files_are_no_pictures(root):
    for name in ('.DS_Store', 'Thumbs.db', '.hidden.png'):
        (root / 'a' / name).write_bytes(b'x')
    (root / '__MACOSX').mkdir()
    found = folder.find(str(root), validation_fraction=0.3)
    assert found.classes == ('a', 'b')
    assert len(names(found, 'train') | names(found, 'validation')) == 60


def surplus(root):
    for name in ('a', 'b'):
        (root / 'train').mkdir(exist_ok=True)
        (root / name).rename(root / 'train' / name)
    (root / 'val' / 'c').mkdir(parents=True)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (shutil.rmtree, 'no such folder'),
        (lambda root: shutil.rmtree(root / 'b'), 'at least two'),
        (lambda root: (root / 'c').mkdir(), r'c holds no pictures'),
        (surplus, r'lacks: c'),
    ],
)
def test_bad_folders_are_refused(root, spoil, message):
    spoil(root)
    with pytest.raises(errors.DataError, match=message):
        folder.find(str(root), validation_fraction=0.3)


def test_an_empty_split_is_refused(root):
    with pytest.raises(errors.DataError, match='validation split'):
        folder.find(str(root), validation_fraction=1e-9)


def test_pipes_are_passed_over_and_links_to_nowhere_are_not(root):
    os.mkfifo(root / 'a' / 'pipe.jpg')
    (root / 'a' / os.fsdecode(b'\xff.jpg')).symlink_to('nowhere')
    found = folder.find(str(root), validation_fraction=0.3)
    assert sum(map(len, found.splits.values())) == 61


def test_a_class_in_no_encoding_is_refused(root):
    (root / 'b').rename(root / os.fsdecode(b'caf\xe9'))
    with pytest.raises(errors.DataError, match='not named in UTF-8'):
        folder.find(str(root), validation_fraction=0.3)


@pytest.mark.parametrize('name', ['val', 'validation', 'valid', 'test'])
def test_held_out_folders_by_any_name(root, name):
    for part in ('train', name):
        for label in ('a', 'b'):
            (root / part).mkdir(exist_ok=True)
            shutil.copytree(root / label, root / part / label)
    for label in ('a', 'b'):
        shutil.rmtree(root / label)
    found = folder.find(str(root), validation_fraction=0.3)
    assert found.classes == ('a', 'b')
    assert [len(found.splits[split]) for split in ('train', 'validation')] == [60, 60]


def test_a_test_folder_beside_the_others_is_a_split(root):
    for part in ('train', 'val', 'test'):
        for label in ('a', 'b'):
            (root / part).mkdir(exist_ok=True)
            shutil.copytree(root / label, root / part / label)
    assert set(folder.find(str(root), validation_fraction=0.3).splits) == {
        'train',
        'validation',
        'test',
    }


def test_training_alone_is_no_class(root):
    (root / 'train').mkdir()
    for label in ('a', 'b'):
        (root / label).rename(root / 'train' / label)
    with pytest.raises(errors.DataError, match=r'has train/ but none of val'):
        folder.find(str(root), validation_fraction=0.3)


def test_linked_folders_are_followed_and_circles_are_not(root, tmp_path_factory):
    more = tmp_path_factory.mktemp('more')
    shutil.copy(root / 'a' / '0.png', more / 'linked.png')
    (root / 'a' / 'more').symlink_to(more)
    (more / 'back').symlink_to(root / 'a')
    found = folder.find(str(root), validation_fraction=0.3)
    names = [each.name for entries in found.splits.values() for each in entries]
    assert len(names) == 61
    assert 'a/more/linked.png' in names
