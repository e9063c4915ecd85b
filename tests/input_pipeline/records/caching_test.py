"""Copies of records: made once, checked, never incomplete."""

import concurrent.futures
import dataclasses
import os
import stat
import struct

import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.records import caching, manifests, references


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
    (tmp_path / '.half.tmp-1-0123abcd').mkdir()  # of a process that was killed
    manifests.verify(manifests.load(caching.copy_to_cache(prepared, tmp_path).directory))
    assert list_names(tmp_path) == ['.lock', copy.directory.name]


def test_other_records_under_its_name_are_replaced(prepared, tmp_path):
    copy = caching.copy_to_cache(prepared, tmp_path)
    path = copy.directory / manifests.MANIFEST
    path.write_text(path.read_text() + ' ')
    assert caching.copy_to_cache(prepared, tmp_path).sha256 == prepared.sha256
    assert manifests.load(copy.directory).sha256 == prepared.sha256


@pytest.mark.filterwarnings('ignore:.* Waiting until it ends')
def test_many_processes_copy_once(prepared, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        copies = list(pool.map(lambda _: caching.copy_to_cache(prepared, tmp_path), range(4)))
    assert len({copy.directory for copy in copies}) == 1
    manifests.verify(manifests.load(copies[0].directory))


def test_the_directory_of_another_user_is_refused(prepared, tmp_path, monkeypatch):
    caching.copy_to_cache(prepared, tmp_path / 'cache')
    assert stat.S_IMODE((tmp_path / 'cache').stat().st_mode) == 0o700
    other = os.getuid() + 1
    monkeypatch.setattr(caching.os, 'getuid', lambda: other)
    with pytest.raises(errors.DataError, match=r'belongs to another user.*TMPDIR'):
        caching.copy_to_cache(prepared, tmp_path / 'cache')


@pytest.fixture
def index(prepared, tmp_path):
    """An index whose only record leads to a file beside its images."""
    reference = struct.pack('<4q8s', 0, 5, 5, True, b'') + b'cats/../../victim'
    path = tmp_path / 'index' / 'train-00000-of-00001.tfrecord'
    path.parent.mkdir()
    bytes_list = tf.train.BytesList(value=[reference])
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[0]))
    features = {references.FEATURE: tf.train.Feature(bytes_list=bytes_list)}
    features['image/class/label'] = label
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    layout = manifests.Layout('reference', image=references.FEATURE, root=str(tmp_path / 'images'))
    splits = {'train': (manifests.Shard(path.name, 1, path.stat().st_size, ''),)}
    return dataclasses.replace(prepared, directory=path.parent, layout=layout, splits=splits)


def test_images_outside_the_folder_of_an_index_are_not_copied(index, tmp_path):
    with pytest.raises(errors.DataError, match=r'cats/\.\./\.\./victim is elsewhere'):
        caching.copy_to_cache(index, tmp_path / 'cache')
    assert list_names(tmp_path / 'cache') == ['.lock']


def test_a_hostile_index_is_refused(index, tmp_path, hostile_record):
    (index.directory / index.splits['train'][0].file).write_bytes(hostile_record)
    with pytest.raises(errors.DataError, match=r'Record 0 .* is damaged'):
        caching.copy_to_cache(index, tmp_path / 'cache')


def test_caches_in_memory_and_on_disk_belong_to_the_user():
    assert caching.cache_directory('disk') != caching.cache_directory('memory')
    assert caching.cache_directory('disk').name.endswith(f'_{os.getuid()}')
