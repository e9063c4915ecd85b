"""Copies of records: made once, checked, never half."""

import concurrent.futures
import os

import pytest

from input_pipeline import errors
from input_pipeline.prepare import conversion
from input_pipeline.records import caching, manifests
from input_pipeline.sources import folder as folders


@pytest.fixture(scope='module')
def manifest(shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.4)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 5, 'seed': 0}
    directory = str(tmp_path_factory.mktemp('records'))
    return conversion.prepare(
        found, directory, settings=settings, max_bad_fraction=0, report=lambda *_: None
    )


def test_a_copy_is_the_same_data_set_and_made_once(manifest, tmp_path):
    copy = caching.copied(manifest, tmp_path / 'cache')
    assert copy.directory != manifest.directory
    assert copy.sha256 == manifest.sha256
    manifests.verify(manifests.load(copy.directory))
    before = copy.directory.stat().st_mtime_ns
    assert caching.copied(manifest, tmp_path / 'cache').directory == copy.directory
    assert copy.directory.stat().st_mtime_ns == before


def test_a_damaged_original_leaves_no_copy(manifest, tmp_path, monkeypatch):
    real = caching.shutil.copyfileobj

    def damaging(source, target, *more):
        real(source, target, *more)
        if source.name.endswith('.tfrecord'):
            target.truncate(target.tell() - 1)

    monkeypatch.setattr(caching.shutil, 'copyfileobj', damaging)
    with pytest.raises(errors.DataError, match='not what prepare wrote'):
        caching.copied(manifest, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ['.lock']


def test_too_little_room_is_said_before_copying(manifest, tmp_path, monkeypatch):
    usage = caching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(caching.shutil, 'disk_usage', lambda _: usage._replace(free=10))
    with pytest.raises(errors.DataError, match='has room for'):
        caching.copied(manifest, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ['.lock']


def test_what_is_no_longer_whole_is_copied_again(manifest, tmp_path):
    copy = caching.copied(manifest, tmp_path)
    next(copy.directory.glob('train-*')).unlink()
    (tmp_path / '.half.tmp-1').mkdir()  # of a process that was killed
    manifests.verify(manifests.load(caching.copied(manifest, tmp_path).directory))
    assert sorted(each.name for each in tmp_path.iterdir()) == ['.lock', copy.directory.name]


def test_other_records_under_its_name_are_not_taken(manifest, tmp_path):
    copy = caching.copied(manifest, tmp_path)
    path = copy.directory / manifests.MANIFEST
    path.write_text(path.read_text() + ' ')
    assert caching.copied(manifest, tmp_path).sha256 == manifest.sha256
    assert manifests.load(copy.directory).sha256 == manifest.sha256


def test_many_at_once_copy_once(manifest, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: caching.copied(manifest, tmp_path), range(4)))
    assert len({copy.directory for copy in copies}) == 1
    manifests.verify(manifests.load(copies[0].directory))


def test_places():
    assert caching.place('disk') != caching.place('memory')
    assert caching.place('disk').name.endswith(f'_{os.getuid()}')
