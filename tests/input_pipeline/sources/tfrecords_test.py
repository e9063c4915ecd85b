"""Records as TF-slim and tensorflow-datasets write them."""

import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.sources import tfrecords


def example(features):
    def feature(value):
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    made = {key: feature(value) for key, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write(path, rows):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(example(row))


def slim(imitate, at, begin=1):
    wnid = sorted(imitate.IDS)[at % 4]
    return {
        'image/encoded': imitate.picture(at),
        'image/class/label': begin + at % 4,
        'image/class/synset': wnid.encode(),
        'image/class/text': imitate.WORDS[wnid].encode(),
        'image/height': 20,
    }


def tfds(imitate, at):
    return {'image': imitate.picture(at), 'label': at % 3, 'file_name': b'a.jpg'}


@pytest.mark.parametrize('begin', [0, 1])
def test_slims_labels_are_found_by_their_wnids(tmp_path, imitate, begin):
    for shard in range(2):
        rows = [slim(imitate, at, begin) for at in range(10 * shard, 10 * shard + 10)]
        write(tmp_path / f'train-0000{shard}-of-00002', rows)
    write(tmp_path / 'validation-00000-of-00001', [slim(imitate, at, begin) for at in range(6)])
    found = tfrecords.find(str(tmp_path))
    assert found.classes == tuple(sorted(imitate.IDS))
    assert found.words == tuple(imitate.WORDS[wnid] for wnid in found.classes)
    assert [len(found.splits[split]) for split in ('train', 'validation')] == [20, 6]
    for at, each in enumerate(found.splits['train']):
        assert each.read() == imitate.picture(at)
        assert each.label == at % 4
    assert tfrecords.recognises(tmp_path)


def test_labels_from_1_without_names(tmp_path, imitate):
    for split in ('train', 'validation'):
        rows = [
            {'image/encoded': imitate.picture(at), 'image/class/label': 1 + at % 11}
            for at in range(22)
        ]
        write(tmp_path / f'{split}-00000-of-00001', rows)
    found = tfrecords.find(str(tmp_path))
    assert found.classes[0] == '01'
    assert [each.label for each in found.splits['train']] == [at % 11 for at in range(22)]


def test_tensorflow_datasets_records(tmp_path, imitate):
    for split in ('train', 'test'):
        rows = [tfds(imitate, at) for at in range(9)]
        write(tmp_path / f'flowers-{split}.tfrecord-00000-of-00001', rows)
    (tmp_path / 'label.labels.txt').write_text('rose\ntulip\naster\n')
    found = tfrecords.find(str(tmp_path))
    assert found.classes == ('rose', 'tulip', 'aster')
    assert set(found.splits) == {'train', 'validation'}
    assert [each.label for each in found.splits['validation']] == [at % 3 for at in range(9)]
    assert found.splits['train'][4].read() == imitate.picture(4)


def damaged(root, imitate):
    path = root / 'train-00000-of-00001'
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def other_features(root, imitate):
    write(root / 'train-00000-of-00001', [{'picture': b'', 'class': 1}])


def labels_out_of_order(root, imitate):
    rows = [slim(imitate, at) | {'image/class/label': 4 - at} for at in range(4)]
    write(root / 'train-00000-of-00001', rows)


def training_only(root, imitate):
    (root / 'validation-00000-of-00001').unlink()


def labels_from_7(root, imitate):
    for path in root.iterdir():
        write(path, [{'image/encoded': imitate.picture(1), 'image/class/label': 7}])


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (damaged, 'train-00000-of-00001 is damaged'),
        (other_features, 'record 0 has the features class, picture'),
        (labels_out_of_order, 'labels do not follow the sorted names'),
        (training_only, 'training records only'),
        (labels_from_7, 'labels begin with 7'),
    ],
)
def test_bad_records_are_refused(tmp_path, imitate, spoil, said):
    for split in ('train', 'validation'):
        write(tmp_path / f'{split}-00000-of-00001', [slim(imitate, at) for at in range(8)])
    spoil(tmp_path, imitate)
    with pytest.raises(errors.DataError, match=said):
        tfrecords.find(str(tmp_path))


def test_unlabelled_records_and_labels_beside_names_are_refused(tmp_path, imitate):
    for split in ('train', 'validation'):
        write(tmp_path / f'{split}-00000-of-00001', [slim(imitate, at) for at in range(8)])
    unlabelled = {'image/encoded': imitate.picture(1), 'image/class/label': 0}
    write(tmp_path / 'test-00000-of-00001', [unlabelled])
    with pytest.raises(errors.DataError, match='test-00000-of-00001/000000 has the label 0'):
        tfrecords.find(str(tmp_path))


def test_slims_names_beside_labels(tmp_path, imitate):
    for split in ('train', 'validation'):
        rows = [
            {'image/encoded': imitate.picture(at), 'image/class/label': 1 + at % 2}
            for at in range(4)
        ]
        write(tmp_path / f'{split}-00000-of-00001', rows)
    (tmp_path / 'labels.txt').write_text('0:cat\n1:dog\n2:emu\n')
    found = tfrecords.find(str(tmp_path))
    assert found.classes == ('cat', 'dog', 'emu')
    assert [each.label for each in found.splits['train']] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ('files', 'said'),
    [
        (['train-00000-of-00002', 'validation-00000-of-00001'], '1 shards of train .* say 2'),
        (['train-00000-of-00001', 'train-00000-of-00002'], '2 shards of train'),
        (['validation-00000-of-00001'], 'no training records'),
    ],
)
def test_sets_that_are_not_whole_are_refused(tmp_path, imitate, files, said):
    for name in files:
        write(tmp_path / name, [slim(imitate, at) for at in range(8)])
    with pytest.raises(errors.DataError, match=said):
        tfrecords.find(str(tmp_path))


def test_records_of_something_else_are_refused(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / 'train-00000-of-00001')) as writer:
        writer.write(b'\xff no example')
    with pytest.raises(errors.DataError, match=r'holds no tf\.train\.Example'):
        tfrecords.find(str(tmp_path))
