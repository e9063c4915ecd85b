"""Copies of records: made once, checked, never incomplete."""

import concurrent.futures
import os

import pytest

from input_pipeline import errors
from input_pipeline.records import caching, manifests


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_is_the_same_data_set_and_made_once(prepared, tmp_path):
    copy = caching.copy_to_cache(prepared, tmp_path / 'cache')
    assert copy.directory != prepared.directory
    assert copy.sha256 == prepared.sha256
    manifests.verify(manifests.load(copy.directory))
    before = copy.directory.stat().st_mtime_ns
    assert caching.copy_to_cache(prepared, tmp_path / 'cache').directory == copy.directory
    assert copy.directory.stat().st_mtime_ns == before


def test_a_damaged_file_leaves_no_copy(prepared, tmp_path, monkeypatch):
    copy_file = caching.shutil.copyfileobj

    def copy_and_truncate(source, target, *arguments):
        copy_file(source, target, *arguments)
        if source.name.endswith('.tfrecord'):
            target.truncate(target.tell() - 1)

    monkeypatch.setattr(caching.shutil, 'copyfileobj', copy_and_truncate)
    with pytest.raises(errors.DataError, match='not what prepare wrote'):
        caching.copy_to_cache(prepared, tmp_path)
    assert list_names(tmp_path) == ['.lock']


def test_too_little_room_is_reported_before_copying(prepared, tmp_path, monkeypatch):
    usage = caching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(caching.shutil, 'disk_usage', lambda _: usage._replace(free=10))
    with pytest.raises(errors.DataError, match='has room for'):
        caching.copy_to_cache(prepared, tmp_path)
    assert list_names(tmp_path) == ['.lock']


def test_a_damaged_copy_is_made_again(prepared, tmp_path):
    copy = caching.copy_to_cache(prepared, tmp_path)
    next(copy.directory.glob('train-*')).unlink()
    (tmp_path / '.half.tmp-1').mkdir()  # of a process that was killed
    manifests.verify(manifests.load(caching.copy_to_cache(prepared, tmp_path).directory))
    assert list_names(tmp_path) == ['.lock', copy.directory.name]


def test_other_records_under_its_name_are_replaced(prepared, tmp_path):
    copy = caching.copy_to_cache(prepared, tmp_path)
    path = copy.directory / manifests.MANIFEST
    path.write_text(path.read_text() + ' ')
    assert caching.copy_to_cache(prepared, tmp_path).sha256 == prepared.sha256
    assert manifests.load(copy.directory).sha256 == prepared.sha256


def test_many_processes_copy_once(prepared, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: caching.copy_to_cache(prepared, tmp_path), range(4)))
    assert len({copy.directory for copy in copies}) == 1
    manifests.verify(manifests.load(copies[0].directory))


def test_caches_in_memory_and_on_disk_belong_to_the_user():
    assert caching.cache_directory('disk') != caching.cache_directory('memory')
    assert caching.cache_directory('disk').name.endswith(f'_{os.getuid()}')
