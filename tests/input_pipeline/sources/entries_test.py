"""Checks entries that read files, and how hashes choose a split."""

import hashlib

import pytest

from input_pipeline import errors
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


def test_about_the_fraction_of_hashes_is_held_out():
    hashes = [hashlib.sha256(bytes([index])).hexdigest() for index in range(256)]
    splits = [entries.choose_split(sha256, 0.25) for sha256 in hashes]
    assert splits == ['validation' if int(sha256[:2], 16) < 64 else 'train' for sha256 in hashes]


def test_an_empty_split_is_refused():
    entry = entries.Entry('a', 0, bytes)
    entries.check_splits({'train': [entry], 'validation': [entry]}, 'photos')
    with pytest.raises(errors.DataError, match='photos: no image falls into the validation split'):
        entries.check_splits({'train': [entry], 'validation': []}, 'photos')
