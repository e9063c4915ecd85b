"""Checks folders of class folders, good and bad."""

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
        for index in range(30):
            pixels = np.full((8, 8, 3), index * 5 + (name == 'a'), np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / name / f'{index}.png')
    return tmp_path


def copy_classes(root, *parts):
    """Copies the class folders a and b into other folders, and removes them."""
    for name in ('a', 'b'):
        for part in parts:
            shutil.copytree(root / name, root / part / name)
        shutil.rmtree(root / name)


def names(source, split):
    return {entry.name for entry in source.splits[split]}


def test_labels_follow_the_sorted_class_names(root):
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('a', 'b')
    for entry in [*source.splits['train'], *source.splits['validation']]:
        assert source.classes[entry.label] == pathlib.PurePosixPath(entry.name).parts[0]
        assert entry.read() == (root / entry.name).read_bytes()


def test_splits_hold_every_image_once(root):
    source = folder.find_images(str(root), validation_fraction=0.3)
    train, validation = names(source, 'train'), names(source, 'validation')
    assert not train & validation
    assert len(train | validation) == 60
    assert 5 <= len(validation) <= 30


def test_renamed_images_do_not_move_to_another_split(root):
    before = folder.find_images(str(root), validation_fraction=0.3)
    held_out = {(root / name).read_bytes() for name in names(before, 'validation')}
    for path in list(root.rglob('*.png')):
        path.rename(path.with_name(f'renamed-{path.name}'))
    after = folder.find_images(str(root), validation_fraction=0.3)
    assert {(root / name).read_bytes() for name in names(after, 'validation')} == held_out


def test_train_and_val_folders_are_the_splits(root):
    copy_classes(root, 'train', 'val')
    for name in ('a', 'b'):
        (root / 'train' / name / '0.png').unlink()
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert names(source, 'validation') == {
        f'val/{name}/{index}.png' for name in ('a', 'b') for index in range(30)
    }
    assert len(names(source, 'train')) == 58


def test_split_folders_may_have_other_names(root):
    copy_classes(root, 'Training', 'Testing')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('a', 'b')
    assert {name.split('/')[0] for name in names(source, 'train')} == {'Training'}
    assert {name.split('/')[0] for name in names(source, 'validation')} == {'Testing'}
    shutil.rmtree(root / 'Testing')
    with pytest.raises(errors.DataError, match='has Training/ but none of val'):
        folder.find_images(str(root), validation_fraction=0.3)


def test_a_class_may_have_the_name_of_a_split(root):
    (root / 'a').rename(root / 'training')
    shutil.copytree(root / 'b', root / 'testing')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('b', 'testing', 'training')


def test_system_files_are_skipped(root):
    for name in ('.DS_Store', 'Thumbs.db', '.hidden.png'):
        (root / 'a' / name).write_bytes(b'x')
    (root / '__MACOSX').mkdir()
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('a', 'b')
    assert len(names(source, 'train') | names(source, 'validation')) == 60


def unknown_class(root):
    copy_classes(root, 'train')
    (root / 'val' / 'c').mkdir(parents=True)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (shutil.rmtree, 'no such folder'),
        (lambda root: shutil.rmtree(root / 'b'), 'at least two'),
        (lambda root: (root / 'c').mkdir(), r'c holds no images'),
        (unknown_class, r'lacks: c'),
    ],
)
def test_bad_folders_are_refused(root, damage, message):
    damage(root)
    with pytest.raises(errors.DataError, match=message):
        folder.find_images(str(root), validation_fraction=0.3)


def test_the_fraction_of_each_class_is_held_out(root):
    for index in range(25):
        (root / 'b' / f'{index}.png').unlink()
    source = folder.find_images(str(root), validation_fraction=0.2)
    held_out = [name.split('/')[0] for name in names(source, 'validation')]
    assert sorted(held_out) == ['a'] * 6 + ['b']


def test_images_that_cannot_be_divided_are_refused(root):
    for path in root.rglob('*.png'):
        path.write_bytes((root / 'a' / '0.png').read_bytes())
    with pytest.raises(errors.DataError, match='validation split'):
        folder.find_images(str(root), validation_fraction=0.2)


def test_pipes_are_skipped_and_broken_links_are_not(root):
    os.mkfifo(root / 'a' / 'pipe.jpg')
    (root / 'a' / os.fsdecode(b'\xff.jpg')).symlink_to('nowhere')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert sum(map(len, source.splits.values())) == 61


def test_a_class_name_that_is_not_utf_8_is_refused(root):
    (root / 'b').rename(root / os.fsdecode(b'caf\xe9'))
    with pytest.raises(errors.DataError, match='not named in UTF-8'):
        folder.find_images(str(root), validation_fraction=0.3)


@pytest.mark.parametrize('name', ['val', 'validation', 'valid', 'test'])
def test_validation_folders_of_every_name_are_used(root, name):
    copy_classes(root, 'train', name)
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('a', 'b')
    assert [len(source.splits[split]) for split in ('train', 'validation')] == [60, 60]


def test_a_test_folder_beside_train_and_val_is_a_third_split(root):
    copy_classes(root, 'train', 'val', 'test')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert set(source.splits) == {'train', 'validation', 'test'}


def test_a_train_folder_alone_is_refused(root):
    copy_classes(root, 'train')
    with pytest.raises(errors.DataError, match=r'has train/ but none of val'):
        folder.find_images(str(root), validation_fraction=0.3)


def test_folders_that_are_left_out_are_counted(root):
    copy_classes(root, 'train', 'test')
    (root / 'loose.png').write_bytes((root / 'train' / 'a' / '0.png').read_bytes())
    for path in ('pred/1.png', 'train/loose.png', '@eaDir/a.png', 'train/a/@eaDir/b.png'):
        (root / path).parent.mkdir(exist_ok=True)
        shutil.copy(root / 'train' / 'a' / '0.png', root / path)
    (root / 'train' / 'a' / 'README.txt').write_text('read me')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.ignored == {
        'ignored: folders beside those of splits': (1, 'pred'),
        'ignored: images outside class folders': (2, 'loose.png'),
        'ignored: system folders': (2, '@eaDir'),
        'ignored: .txt files': (1, 'train/a/README.txt'),
    }
    assert 'the test images are used as validation' in source.description


def test_class_folders_match_across_splits_however_their_letters_are_composed(root):
    copy_classes(root, 'train', 'val')
    (root / 'train' / 'a').rename(root / 'train' / 'caf\u00e9')
    (root / 'val' / 'a').rename(root / 'val' / 'cafe\u0301 ')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('b', 'caf\u00e9')
    assert [entry.label for entry in source.splits['validation']] == [0] * 30 + [1] * 30


def test_a_folder_without_classes_names_the_one_that_has_some(root):
    copy_classes(root, 'photos')
    for damage in (lambda: None, lambda: (root / 'logs').mkdir()):
        damage()
        with pytest.raises(errors.DataError, match=f'Perhaps --source_dir={root}/photos is meant'):
            folder.find_images(str(root), validation_fraction=0.3)


def test_a_class_named_train_with_folders_of_its_own_is_a_class_among_others(root):
    for name in ('2022', '2023'):
        (root / 'train' / name).mkdir(parents=True)
        shutil.copy(root / 'a' / '0.png', root / 'train' / name / 'c.png')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.classes == ('a', 'b', 'train')


def test_links_to_a_folder_around_them_are_not_followed(root):
    whole = folder.find_images(str(root), validation_fraction=0.3)
    (root / 'a' / 'up').symlink_to('..')
    (root / 'b' / 'top').symlink_to(root.parent)
    (root / 'all').symlink_to('.')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert source.splits == whole.splits
    assert source.ignored['ignored: links to a folder around them'][0] == 3


def test_a_broken_link_among_class_folders_is_counted(root):
    (root / 'emu').symlink_to('nowhere')
    (root / 'a' / 'notes.txt').symlink_to('nowhere')
    source = folder.find_images(str(root), validation_fraction=0.3)
    assert 'emu' not in source.classes
    assert source.ignored['ignored: links to what does not exist'] == (2, 'a/notes.txt')


def test_linked_folders_are_followed_but_not_in_circles(root, tmp_path_factory):
    more = tmp_path_factory.mktemp('more')
    shutil.copy(root / 'a' / '0.png', more / 'linked.png')
    (root / 'a' / 'more').symlink_to(more)
    (more / 'back').symlink_to(root / 'a')
    source = folder.find_images(str(root), validation_fraction=0.3)
    names = [entry.name for entries in source.splits.values() for entry in entries]
    assert len(names) == 61
    assert 'a/more/linked.png' in names
