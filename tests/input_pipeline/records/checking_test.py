"""Every kind of damage to records is found and reported in a sentence that names the file."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import datasets, shuffling
from input_pipeline.records import checking, manifests


@pytest.fixture
def copy(prepared, tmp_path):
    """The manifest of a copy that may be damaged."""
    shutil.copytree(prepared.directory, tmp_path / 'copy')
    return manifests.read(tmp_path / 'copy')


def get_shard(manifest, number=0):
    return manifest.directory / manifest.splits['train'][number].file


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read_records(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def flip_byte(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def damage_second_record(path):
    flip_byte(path, 16 + len(read_records(path)[0]) + 100)


def swap_shards(manifest):
    first, second = get_shard(manifest, 0), get_shard(manifest, 1)
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def test_a_record_that_claims_more_than_its_file_holds_is_refused(copy, hostile_record):
    """TensorFlow would allocate as much and end the process."""
    path = get_shard(copy)
    path.write_bytes(hostile_record)
    for read in (
        checking.check_lengths,
        checking.read_names,
        lambda shards: checking.read_labels(shards, copy.layout),
        lambda shards: datasets.read_squares(shards, copy.layout, [0]),
        lambda shards: datasets.evaluation_dataset(shards, layout=copy.layout, batch_size=2),
    ):
        with pytest.raises(errors.DataError, match=r'train-00000.* is cut short or too large'):
            read([(str(path), 1)])


def test_names_labels_and_images_of_a_damaged_file_are_refused_with_its_name(copy):
    damage_second_record(get_shard(copy))
    shards = copy.list_shards('train')
    for read in (checking.read_names, lambda shards: checking.read_labels(shards, copy.layout)):
        with pytest.raises(errors.DataError, match=r'Record 1 .* of .*train-00000.* is damaged'):
            read(shards)
    with pytest.raises(errors.DataError, match=r'train-00000.*: a record cannot be read'):
        datasets.read_squares(shards, copy.layout, [0, 1])


def test_labels_are_read_in_the_order_of_the_files(prepared):
    """TensorFlow's own parser of whole examples is the reference."""
    expected = []
    for path, _ in prepared.list_shards('train'):
        for record in read_records(path):
            features = tf.train.Example.FromString(record).features.feature
            expected += features['image/class/label'].int64_list.value
    labels = checking.read_labels(prepared.list_shards('train'), prepared.layout)
    assert labels.tolist() == expected
    assert len(set(expected)) > 1


def test_examples_are_located_by_shard_record_and_name(prepared):
    shards = prepared.list_shards('train')
    chunks = shuffling.EpochReader(shards, reshuffle=False).read_chunks()
    names = checking.read_names(shards)
    (path, records), (second_path, _) = shards[:2]
    located = checking.locate_examples(shards, chunks, records + 1)
    assert len(located) == records + 1
    assert located[0] == f'{path} record 0 {names[0]}'
    assert located[-1] == f'{second_path} record 0 {names[records]}'


DAMAGES = {
    'a flipped byte': (
        lambda m: damage_second_record(get_shard(m)),
        r'Record 1 \(from 0\) of .*train-00000.* is damaged',
    ),
    'a record cut short': (
        lambda m: get_shard(m).write_bytes(get_shard(m).read_bytes()[:-7]),
        r'Record \d \(from 0\) of .*train-00000.* is damaged',
    ),
    'a file cut between records': (
        lambda m: write_records(get_shard(m), read_records(get_shard(m))[:-1]),
        r'train-00000.* ends after \d records, the manifest counts \d',
    ),
    'an empty file': (lambda m: get_shard(m).write_bytes(b''), r'train-00000.* is empty'),
    'no file': (lambda m: get_shard(m).unlink(), r'train-00000.* is missing'),
    'swapped files': (swap_shards, r'train-00000.* holds what .*train-00001.* should hold'),
    'a foreign file': (
        lambda m: write_records(get_shard(m), read_records(get_shard(m))[::-1]),
        r'train-00000.* but others than were written',
    ),
    'other statistics': (
        lambda m: flip_byte(m.directory / manifests.STATISTICS, 200),
        r'statistics.npz is not what was written',
    ),
}


def test_undamaged_records_have_no_problem(prepared):
    reports = []
    assert checking.find_problems(prepared, lambda *report: reports.append(report)) == []
    total = sum(shard.bytes for shards in prepared.splits.values() for shard in shards)
    assert reports[-1] == (total, total)


@pytest.mark.parametrize('damage', DAMAGES)
def test_damage_is_found_and_named(copy, damage):
    inflict, message = DAMAGES[damage]
    inflict(copy)
    problems = checking.find_problems(copy)
    assert len(problems) == (2 if damage == 'swapped files' else 1)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problems[0])


def test_a_shard_of_unreadable_images_only_is_whole(prepare_folder, folder, tmp_path):
    (folder / 'dog' / 'text.jpg').write_text('a text')
    manifest = prepare_folder(folder, tmp_path / 'out', shard_examples=1, max_bad_fraction=0.2)
    assert checking.find_problems(manifest) == []
    (tmp_path / 'out' / 'train-00099-of-00100.tfrecord').write_bytes(b'')
    assert len(checking.find_problems(manifest)) == 1


def test_the_first_unreadable_record_is_named(copy):
    shards = copy.list_shards('train')
    assert checking.find_first_unreadable(shards, copy.layout) == ''
    damage_second_record(get_shard(copy, 1))
    problem = checking.find_first_unreadable(shards, copy.layout)
    assert problem.startswith('Record 1 (from 0) of')
    assert 'train-00001' in problem


def test_a_record_of_an_image_of_another_size_is_named(copy):
    layout = dataclasses.replace(copy.layout, square_size=16)
    problem = checking.find_first_unreadable(copy.list_shards('train'), layout)
    assert problem.startswith('Record 0 (from 0) of')


@pytest.mark.parametrize('name', ['one', ''])
def test_a_damaged_record_is_one_sentence_and_what_to_do(copy, name):
    path = get_shard(copy)
    damage_second_record(path)
    problem = f'Record 1 (from 0) of {path} is damaged.' if name else ''
    with (
        pytest.raises(errors.DataError) as raised,
        checking.explain_read_errors('--data_dir=x', lambda: problem),
    ):
        list(tf.data.TFRecordDataset(str(path)))
    sentence, advice = str(raised.value).split(' Check all records with --mode=prepare')
    assert advice.startswith(' --verify_only')
    if name:
        assert sentence == problem
    else:
        assert sentence.startswith('--data_dir=x: a record cannot be read (corrupted record at ')
        assert sentence.endswith('). Now all can be: the storage may fail from time to time.')
        assert 'name:' not in sentence


def test_examples_that_fill_up_a_batch_are_not_located(prepared):
    shards = prepared.list_shards('train')
    total = sum(records for _, records in shards)
    reader = shuffling.EpochReader(shards, batch_size=4, lanes=2)
    first = total // 4 * 4
    chunks = list(reader.read_chunks(start=(0, first)))
    real = [
        int(index)
        for chunk in chunks
        for index, mask in zip(chunk.indices, chunk.mask, strict=True)
        if mask
    ]
    located = checking.locate_examples(shards, reader.read_chunks(start=(0, first)), len(real))
    ends = np.cumsum([0, *(records for _, records in shards)])
    rows = [
        f'{shards[at][0]} record {index - ends[at]}'
        for index in real
        for at in [int(np.searchsorted(ends, index, 'right')) - 1]
    ]
    assert [text.rpartition(' ')[0] for text in located] == rows
