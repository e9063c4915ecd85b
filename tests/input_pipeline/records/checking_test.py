"""Every kind of damage to records is found, and said in a sentence that names the file."""

import json
import shutil

import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.prepare import conversion
from input_pipeline.records import checking, manifests
from input_pipeline.sources import folder as folders


@pytest.fixture(scope='module')
def whole(shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.4)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 5, 'seed': 0}
    directory = tmp_path_factory.mktemp('whole')
    return conversion.prepare(
        found, str(directory), settings=settings, max_bad_fraction=0, report=lambda *_: None
    )


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole.directory, tmp_path / 'copy')
    return manifests.read(tmp_path / 'copy')


def shard(manifest, at=0):
    return manifest.directory / manifest.splits['train'][at].file


def write(path, pictures):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in pictures:
            writer.write(each)


def read(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def first_size(path):
    return 16 + len(read(path)[0])


def swap(manifest):
    one, other = shard(manifest, 0), shard(manifest, 1)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def test_names_and_pictures_of_a_damaged_file_are_refused_by_its_name(copy):
    flip(shard(copy), first_size(shard(copy)) + 100)
    shards = copy.shards('train')
    with pytest.raises(errors.DataError, match=r'train-00000.*: a record cannot be read'):
        checking.ids(shards)
    with pytest.raises(errors.DataError, match=r'train-00000.*: a record cannot be read'):
        datasets.squares(shards, copy.layout, [0, 1])


DAMAGES = {
    'a flipped byte': (
        lambda m: flip(shard(m), first_size(shard(m)) + 100),
        r'Record 1 \(from 0\) of .*train-00000.* is damaged',
    ),
    'a record cut short': (
        lambda m: shard(m).write_bytes(shard(m).read_bytes()[:-7]),
        r'Record \d \(from 0\) of .*train-00000.* is damaged',
    ),
    'a file cut between records': (
        lambda m: write(shard(m), read(shard(m))[:-1]),
        r'train-00000.* ends after \d records, the manifest counts \d',
    ),
    'an empty file': (lambda m: shard(m).write_bytes(b''), r'train-00000.* is empty'),
    'no file': (lambda m: shard(m).unlink(), r'train-00000.* is missing'),
    'swapped files': (swap, r'train-00000.* holds what .*train-00001.* should hold'),
    'a foreign file': (
        lambda m: write(shard(m), read(shard(m))[::-1]),
        r'train-00000.* but others than were written',
    ),
    'other statistics': (
        lambda m: flip(m.directory / manifests.STATISTICS, 200),
        r'statistics.npz is not what was written',
    ),
}


def test_whole_records_have_no_problem(whole):
    seen = []
    assert checking.problems(whole, lambda *each: seen.append(each)) == []
    assert seen[-1][0] == seen[-1][1] == sum(s.bytes for v in whole.splits.values() for s in v)


@pytest.mark.parametrize('damage', DAMAGES)
def test_damage_is_found_and_named(copy, damage):
    harm, said = DAMAGES[damage]
    harm(copy)
    found = checking.problems(copy)
    assert len(found) == (2 if damage == 'swapped files' else 1)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found[0])


def test_a_wrong_class_hash_is_found_when_the_manifest_is_read(copy):
    path = copy.directory / manifests.MANIFEST
    fields = json.loads(path.read_text())
    fields['classes'][0] = 'lynx'
    path.write_text(json.dumps(fields))
    with pytest.raises(errors.DataError, match='class names do not match their hash'):
        manifests.read(copy.directory)


def test_the_first_unreadable_record_is_named(copy):
    shards = copy.shards('train')
    assert 'all records were readable' in checking.first_unreadable(shards, manifests.Layout())
    flip(shard(copy, 1), first_size(shard(copy, 1)) + 100)
    said = checking.first_unreadable(shards, manifests.Layout())
    assert said.startswith('Record 1 (from 0) of')
    assert 'train-00001' in said


def test_start_up_notices_sizes_without_reading(copy):
    flip(shard(copy), 100)  # the same size: for --verify_only
    manifests.load(copy.directory)
    shard(copy).write_bytes(shard(copy).read_bytes()[:-7])
    with pytest.raises(errors.DataError, match=r'train-00000.* has .* bytes, the manifest says'):
        manifests.load(copy.directory)
