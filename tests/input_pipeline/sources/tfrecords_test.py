"""Checks records as TF-slim and tensorflow-datasets write them."""

import gzip
import zlib

import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.sources import entries, tfrecords


def serialize(features):
    def feature(value):
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    encoded = {key: feature(value) for key, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=encoded)).SerializeToString()


def write(path, rows):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(serialize(row))


def write_splits(root, rows):
    for split in ('train', 'validation'):
        write(root / f'{split}-00000-of-00001', rows)


def slim_row(imitate, index, first_label=1):
    wnid = sorted(imitate.IDS)[index % 4]
    return {
        'image/encoded': imitate.make_image(index),
        'image/class/label': first_label + index % 4,
        'image/class/synset': wnid.encode(),
        'image/class/text': imitate.WORDS[wnid].encode(),
        'image/height': 20,
    }


def unnamed_row(imitate, label):
    return {'image/encoded': imitate.make_image(label), 'image/class/label': label}


def tfds_row(imitate, index):
    return {'image': imitate.make_image(index), 'label': index % 3, 'file_name': b'a.jpg'}


@pytest.mark.parametrize('first_label', [0, 1])
def test_labels_of_tf_slim_follow_the_wnids(tmp_path, imitate, first_label):
    rows = [slim_row(imitate, index, first_label) for index in range(20)]
    for shard in range(2):
        write(tmp_path / f'train-0000{shard}-of-00002', rows[10 * shard : 10 * shard + 10])
    write(tmp_path / 'validation-00000-of-00001', rows[:6])
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.classes == tuple(sorted(imitate.IDS))
    assert source.words == tuple(imitate.WORDS[wnid] for wnid in source.classes)
    assert [len(source.splits[split]) for split in ('train', 'validation')] == [20, 6]
    for index, entry in enumerate(source.splits['train']):
        assert entry.read() == imitate.make_image(index)
        assert entry.label == index % 4
    assert tfrecords.recognize(tmp_path)


def test_labels_that_start_with_1_are_shifted_to_0(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, 1 + index % 11) for index in range(22)])
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.classes[0] == '01'
    assert [entry.label for entry in source.splits['train']] == [index % 11 for index in range(22)]


def test_records_of_tensorflow_datasets_are_read(tmp_path, imitate):
    for split in ('train', 'test'):
        rows = [tfds_row(imitate, index) for index in range(9)]
        write(tmp_path / f'flowers-{split}.tfrecord-00000-of-00001', rows)
    (tmp_path / 'label.labels.txt').write_text('rose\ntulip\naster\n')
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.classes == ('rose', 'tulip', 'aster')
    assert set(source.splits) == {'train', 'validation'}
    assert [entry.label for entry in source.splits['validation']] == [0, 1, 2] * 3
    assert source.splits['train'][4].read() == imitate.make_image(4)


def damaged(root, imitate):
    path = root / 'train-00000-of-00001'
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def other_features(root, imitate):
    write(root / 'train-00000-of-00001', [{'photo': b'', 'class': 1}])


def labels_out_of_order(root, imitate):
    rows = [slim_row(imitate, index) | {'image/class/label': 4 - index} for index in range(4)]
    write(root / 'train-00000-of-00001', rows)


def labels_from_7(root, imitate):
    for path in root.iterdir():
        write(path, [unnamed_row(imitate, 7)])


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (damaged, 'train-00000-of-00001 is damaged'),
        (other_features, 'record train-00000-of-00001/000000 has the features class, photo'),
        (labels_out_of_order, 'labels do not follow the sorted names'),
        (labels_from_7, 'labels start with 7'),
    ],
)
def test_bad_records_are_refused(tmp_path, imitate, damage, message):
    write_splits(tmp_path, [slim_row(imitate, index) for index in range(8)])
    damage(tmp_path, imitate)
    with pytest.raises(errors.DataError, match=message):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_a_share_of_each_class_is_held_out_where_all_are_for_training(tmp_path, imitate):
    write(tmp_path / 'train-00000-of-00001', [slim_row(imitate, index) for index in range(20)])
    source = tfrecords.find_images(
        str(tmp_path), copies_dir=tmp_path / 'copies', validation_fraction=0.2
    )
    assert sorted(entry.label for entry in source.splits['validation']) == [0, 1, 2, 3]
    names = {entry.name for members in source.splits.values() for entry in members}
    assert len(names) == 20
    assert source.split_rule
    assert source.in_place_layout is None


def test_unlabelled_records_are_refused(tmp_path, imitate):
    write_splits(tmp_path, [slim_row(imitate, index) for index in range(8)])
    write(tmp_path / 'test-00000-of-00001', [unnamed_row(imitate, 0)])
    with pytest.raises(errors.DataError, match='test-00000-of-00001/000000 has the label 0'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_class_names_of_tf_slim_start_with_label_0(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, 1 + index % 2) for index in range(4)])
    (tmp_path / 'labels.txt').write_text('0:cat\n1:dog\n2:emu\n')
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.classes == ('cat', 'dog', 'emu')
    assert [entry.label for entry in source.splits['train']] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ('names', 'labels', 'classes'),
    [
        ('cat\ndog\nemu\n', [1, 2, 3], ('cat', 'dog', 'emu')),
        ('1:cat\n2:dog\n3:emu\n', [1, 2], ('cat', 'dog', 'emu')),
        ('cat\ndog\nemu\n', [0, 1], ('cat', 'dog', 'emu')),
        ('background\ncat\ndog\n', [1, 2], ('background', 'cat', 'dog')),
    ],
)
def test_names_are_those_of_the_labels(tmp_path, imitate, names, labels, classes):
    rows = [unnamed_row(imitate, labels[index % len(labels)]) for index in range(6)]
    write_splits(tmp_path, rows)
    (tmp_path / 'labels.txt').write_text(names)
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.classes == classes
    shift = names.startswith('1:') or max(labels) == 3
    read = {entry.label for entry in source.splits['train']}
    assert read == {label - shift for label in labels}


def test_an_empty_list_of_names_is_refused(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, 1) for _ in range(4)])
    (tmp_path / 'labels.txt').write_text('\n')
    with pytest.raises(errors.DataError, match=r'labels\.txt names no classes'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_the_names_in_records_say_which_label_is_the_first(tmp_path, imitate):
    texts = {1: b'cat', 2: b'dog'}
    rows = [
        unnamed_row(imitate, label) | {'image/class/text': texts[label]} for label in (1, 2, 1, 2)
    ]
    write_splits(tmp_path, rows)
    (tmp_path / 'labels.txt').write_text('cat\ndog\nemu\n')  # there is no record of an emu
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert {entry.label for entry in source.splits['train']} == {0, 1}


def test_files_that_systems_put_beside_records_are_none(tmp_path, imitate):
    write_splits(tmp_path, [slim_row(imitate, index) for index in range(8)])
    (tmp_path / '._train-00000-of-00001').write_bytes(b'of a Mac')
    assert tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies').classes


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        (['train-00000-of-00002', 'validation-00000-of-00001'], '1 shards of train .* say 2'),
        (['train-00000-of-00001', 'train-00000-of-00002'], '2 shards of train'),
        (['validation-00000-of-00001'], 'records of validation only'),
    ],
)
def test_incomplete_data_sets_are_refused(tmp_path, imitate, files, message):
    for name in files:
        write(tmp_path / name, [slim_row(imitate, index) for index in range(8)])
    with pytest.raises(errors.DataError, match=message):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_records_of_something_else_than_examples_are_refused(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / 'train-00000-of-00001')) as writer:
        writer.write(b'\xff no example')
    with pytest.raises(errors.DataError, match=r'holds no tf\.train\.Example'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


@pytest.mark.parametrize(
    'name',
    [
        '{}-00000-of-00001',
        'flowers_{}_00000-of-00001.tfrecord',
        'my-flowers-{}.tfrecord-00000-of-00001',
        '{}.tfrecords',
        'pets.{}.00000-of-00001.tfrecord',
    ],
)
@pytest.mark.parametrize(
    'splits', [('train', 'validation'), ('Train', 'val'), ('training', 'test')]
)
def test_shards_are_named_in_many_ways(tmp_path, imitate, name, splits):
    for split in splits:
        write(
            tmp_path / name.format(split), [unnamed_row(imitate, index % 2) for index in range(4)]
        )
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert {split: len(images) for split, images in source.splits.items()} == {
        'train': 4,
        'validation': 4,
    }
    assert ('test images are used as validation' in source.description) == ('test' in splits)


def test_records_of_several_data_sets_are_refused(tmp_path, imitate):
    for name in ('mine-train', 'yours-val'):
        write(tmp_path / f'{name}.tfrecord-00000-of-00001', [unnamed_row(imitate, 0)])
    with pytest.raises(errors.DataError, match='several data sets: mine-train, yours-val'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_records_of_no_known_split_are_counted(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, index % 2) for index in range(4)])
    write(tmp_path / 'holdout-00000-of-00001', [unnamed_row(imitate, 0)])
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert source.ignored == {
        'ignored: records whose name has no split': (1, 'holdout-00000-of-00001')
    }


@pytest.mark.parametrize(
    ('compress', 'ending'),
    [
        (gzip.compress, ''),
        (gzip.compress, '.gz'),
        (zlib.compress, ''),
        (lambda data: data, ''),
        (lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]), ''),
    ],
)
def test_compressed_records_are_read(tmp_path, imitate, compress, ending):
    """As TensorFlow's writer and as other programs compress them."""
    rows = [unnamed_row(imitate, index % 2) for index in range(6)]
    write_splits(tmp_path, rows)
    for path in list(tmp_path.iterdir()):
        data = path.read_bytes()
        path.unlink()
        path.with_name(path.name + ending).write_bytes(compress(data))
    source = tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    contents = [entry.read() for entry in source.splits['train']]
    assert contents == [row['image/encoded'] for row in rows]
    assert [entry.label for entry in source.splits['train']] == [0, 1] * 3
    assert source.in_place_layout is None
    entries.remove_copies(tmp_path / 'copies')
    assert not any((tmp_path / 'copies').glob('*'))


@pytest.mark.parametrize('compress', [gzip.compress, zlib.compress])
def test_compressed_records_that_are_cut_short_are_refused(tmp_path, imitate, compress):
    write_splits(tmp_path, [unnamed_row(imitate, index % 2) for index in range(6)])
    path = tmp_path / 'train-00000-of-00001'
    path.write_bytes(compress(path.read_bytes())[:-1])
    with pytest.raises(errors.DataError, match=r'is damaged, .*cut short'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
    assert not any((tmp_path / 'copies').glob('*'))


def test_damaged_compressed_records_are_refused(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, index % 2) for index in range(60)])
    path = tmp_path / 'train-00000-of-00001'
    data = bytearray(gzip.compress(path.read_bytes()))
    data[len(data) // 2 :] = bytes(len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(errors.DataError, match='train-00000-of-00001 is damaged'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def write_values(path, image, labels):
    features = {
        'image/encoded': tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        'image/class/label': tf.train.Feature(int64_list=tf.train.Int64List(value=labels)),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())


@pytest.mark.parametrize('labels', [[0, 0, 1, 0], [1, 3]])
def test_several_labels_of_an_image_are_refused(tmp_path, imitate, labels):
    """One-hot vectors, or attributes: the first number is no class."""
    for split in ('train', 'validation'):
        write_values(tmp_path / f'{split}-00000-of-00001', imitate.make_image(0), labels)
    with pytest.raises(errors.DataError, match=f'{len(labels)} labels .*; expected one image'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_a_shard_without_a_record_is_refused(tmp_path, imitate):
    rows = [unnamed_row(imitate, index % 2) for index in range(8)]
    write_splits(tmp_path, rows)
    (tmp_path / 'train-00000-of-00001').rename(tmp_path / 'train-00000-of-00002')
    (tmp_path / 'train-00001-of-00002').touch()  # of an interrupted copy
    with pytest.raises(errors.DataError, match='train-00001-of-00002 holds no record'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')


def test_labels_with_large_gaps_are_refused(tmp_path, imitate):
    write_splits(tmp_path, [unnamed_row(imitate, label) for label in (0, 2_000_000_000)])
    with pytest.raises(errors.DataError, match='2 different labels, up to 2,000,000,000'):
        tfrecords.find_images(str(tmp_path), copies_dir=tmp_path / 'copies')
