"""Checks that a change of a source's files is noticed."""

import functools
import os

import pytest

from input_pipeline.sources import entries, snapshots


@pytest.fixture
def images(tmp_path):
    root = tmp_path / 'images'
    for name in ('a/1.jpg', 'a/2.jpg', 'b/3.jpg'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'image')
    return root


find_change = functools.partial(snapshots.find_change, only_images=True)


def create(images):
    members = [
        entries.Entry(path.name, 0, entries.ImageFile.from_path(str(path)))
        for path in sorted(images.glob('*/*'))
    ]
    return entries.Source('folder', '', ('a', 'b'), {'train': members})


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (lambda root: None, ''),
        (lambda root: (root / '.hidden').touch(), ''),
        (lambda root: (root / 'a' / 'labels.cache').write_text('a text'), ''),
        (lambda root: (root / 'plot.jpg').write_bytes(b'of no class'), ''),
        (lambda root: (root / 'a/1.jpg').write_bytes(b'changed'), 'a/1.jpg has changed'),
        (lambda root: os.utime(root / 'a/2.jpg', ns=(0, 1)), 'a/2.jpg has changed'),
        (lambda root: (root / 'b/3.jpg').unlink(), 'b/3.jpg is missing'),
        (lambda root: (root / 'b/4.jpg').touch(), 'b/4.jpg is new'),
        (lambda root: root.rename(root.with_name('moved')), 'images is missing'),
    ],
)
def test_a_change_in_a_folder_is_named(images, tmp_path, change, expected):
    snapshots.write(tmp_path, str(images), create(images))
    change(images)
    difference = find_change(tmp_path)
    assert difference.endswith(expected)
    assert bool(difference) == bool(expected)


def test_of_split_folders_only_their_images_count(images, tmp_path):
    for split in ('train', 'val'):
        for name in ('a', 'b'):
            (images / split / name).mkdir(parents=True)
            (images / split / name / '1.jpg').write_bytes(b'image')
    snapshots.write(tmp_path, str(images), create(images))
    (images / 'a/5.jpg').touch()
    assert not find_change(tmp_path)
    (images / 'val/b/2.jpg').touch()
    assert find_change(tmp_path).endswith('val/b/2.jpg is new')


def test_of_a_list_it_and_its_images_count(images, tmp_path):
    rows = tmp_path / 'list.csv'
    rows.write_text('path,label')
    snapshots.write(tmp_path, str(rows), create(images))
    (images / 'b/4.jpg').touch()  # which the list does not name
    assert not find_change(tmp_path)
    (images / 'b/3.jpg').write_bytes(b'changed')
    assert find_change(tmp_path).endswith('b/3.jpg has changed')
    (images / 'b/3.jpg').unlink()
    rows.write_text('path,label,split')
    assert find_change(tmp_path) == f'{rows} has changed'


def test_what_lies_elsewhere_is_not_looked_for(tmp_path):
    snapshots.write(tmp_path, '', create(tmp_path))
    assert not find_change(tmp_path)


def test_a_name_with_a_carriage_return_is_the_same_name_later(images, tmp_path):
    """As of files that macOS leaves in folders with an icon, but for the system's own name."""
    (images / 'a' / 'icon \r.jpg').write_bytes(b'')
    (images / 'a' / 'Icon\r').write_bytes(b'')
    snapshots.write(tmp_path, str(images), create(images))
    assert find_change(tmp_path) == ''
    assert snapshots.read_place(tmp_path) == str(images)
    assert 'Icon\r' not in (tmp_path / 'source.csv').read_bytes().decode()
