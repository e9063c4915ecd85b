"""Checks entries that read files."""

import pytest

from input_pipeline.images import headers
from input_pipeline.sources import entries


def test_a_file_is_read_and_identified_by_its_size(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'abc')
    entry = entries.Entry('a.jpg', 7, entries.ImageFile.from_path(str(tmp_path / 'a.jpg')))
    assert entry.read() == b'abc'
    assert entry.identity == '7 3 a.jpg'


def test_a_missing_file_has_no_size_and_names_itself_when_read(tmp_path):
    image = entries.ImageFile.from_path(str(tmp_path / 'a.jpg'))
    assert image.size == -1
    with pytest.raises(FileNotFoundError, match=r'a\.jpg'):
        image()


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path):
    with open(tmp_path / 'a.jpg', 'wb') as file:
        file.truncate(headers.MAX_BYTES + 100)
    assert len(entries.ImageFile.from_path(str(tmp_path / 'a.jpg'))()) == headers.MAX_BYTES + 1


def test_copies_are_removed_and_other_files_are_not(tmp_path):
    for name in ('train.images', 'note.json'):
        (tmp_path / name).write_bytes(b'x')
    entries.remove_copies(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['note.json']
