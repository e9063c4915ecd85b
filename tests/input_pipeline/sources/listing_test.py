"""What lies below a folder: images, and what nobody would call one."""

import io
import os

import PIL.Image
import pytest

from input_pipeline import errors
from input_pipeline.sources import listing


def encode(kind):
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (4, 4)).save(buffer, kind)
    return buffer.getvalue()


def list_names(root):
    lister = listing.Lister(root)
    images = lister.list_images(root)
    return [path.relative_to(root).as_posix() for path in images], lister.ignored


@pytest.mark.parametrize(
    'folder',
    [
        *('@eaDir', '$RECYCLE.BIN', 'lost+found', 'System Volume Information', '__MACOSX'),
        *('a/b/@eaDir', 'a/#recycle'),
    ],
)
def test_folders_of_systems_are_ignored_at_any_depth(tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / 'thumbnail.jpg').write_bytes(encode('JPEG'))
    assert list_names(tmp_path) == ([], {'ignored: system folders': (1, folder)})


def test_hidden_files_and_folders_are_ignored(tmp_path):
    (tmp_path / '.thumbnails').mkdir()
    (tmp_path / '.thumbnails' / 'a.jpg').write_bytes(b'')
    for name in ('._a.jpg', '.DS_Store', 'Thumbs.db'):
        (tmp_path / name).write_bytes(b'')
    assert list_names(tmp_path)[1] == {
        'ignored: hidden folders': (1, '.thumbnails'),
        'ignored: hidden files': (2, '.DS_Store'),
        'ignored: system files': (1, 'Thumbs.db'),
    }


@pytest.mark.parametrize(
    ('name', 'content', 'kind'),
    [
        ('README.txt', b'BMW, RIFF and other words', '.txt files'),
        ('IMG_1.AAE', b'<?xml version="1.0"?>', '.aae files'),
        ('a.json', b'{}', '.json files'),
        ('a.MOV', b'\0\0\0\x14ftypqt  ' + bytes(40), '.mov files'),
        ('index.html', b'<html></html>', '.html files'),
        ('LICENSE', b'Some rights', 'text files'),
        ('notes', 'nächtliche '.encode() * 100, 'text files'),
        ('empty.txt', b'', '.txt files'),
    ],
)
def test_what_is_no_image_by_name_and_content_is_ignored(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert list_names(tmp_path) == ([], {f'ignored: {kind}': (1, name)})


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        *(('photo', encode(kind)) for kind in ('JPEG', 'PNG', 'GIF', 'BMP', 'WEBP', 'TIFF')),
        ('photo.jpg.1', encode('JPEG')),
        ('photo.txt', encode('PNG')),
        ('broken.JPG', b'a text'),  # will be reported as unreadable
        ('broken.heic', b''),
        ('0001', bytes(100)),
    ],
)
def test_images_are_listed_whatever_their_name_and_broken_ones_by_their_name(
    tmp_path, name, content
):
    (tmp_path / name).write_bytes(content)
    assert list_names(tmp_path) == ([name], {})


def test_folders_whose_names_look_alike_are_one_class(tmp_path):
    for name in ('caf\u00e9', 'cafe\u0301', ' caf\u00e9', 'Caf\u00e9'):
        (tmp_path / name).mkdir()
    folders = listing.Lister(tmp_path).list_folders(tmp_path)
    assert {name: len(paths) for name, paths in folders.items()} == {'caf\u00e9': 3, 'Caf\u00e9': 1}


def test_system_folders_are_counted_once_and_a_missing_folder_is_refused(tmp_path):
    (tmp_path / '@eaDir').mkdir()
    lister = listing.Lister(tmp_path)
    for _ in range(2):
        assert lister.list_folders(tmp_path) == {}
    assert lister.ignored == {'ignored: system folders': (1, '@eaDir')}
    with pytest.raises(errors.DataError, match='no such folder'):
        lister.list_folders(tmp_path / 'nowhere')


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    def walk(folder, onerror, followlinks):
        onerror(PermissionError(13, 'Permission denied', str(folder)))
        return iter(())

    monkeypatch.setattr(os, 'walk', walk)
    with pytest.raises(PermissionError, match='Permission denied'):
        listing.list_files(tmp_path)
