"""Records of other programs, of pictures that have the right size, stay where they are."""

import dataclasses
import io
import itertools
import os

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.prepare import conversion, estimate, sharding
from input_pipeline.records import checking, manifests
from input_pipeline.sources import tfrecords

SHARDS = {'train': (5, 4, 6), 'validation': (3,)}
SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0}


def jpeg(number, size=256, mode='RGB'):
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(noise).resize((size, size)).convert(mode).save(buffer, 'JPEG')
    return buffer.getvalue()


def write(root, *, features=('image/encoded', 'image/class/label'), begin=1, picture=jpeg):
    """Pictures 0 to 17 in shards; labels 0 to 2 in turns, from `begin`."""
    root.mkdir()
    pictures = itertools.count()
    for split, numbers in SHARDS.items():
        for shard, number in enumerate(numbers):
            path = root / f'{split}-{shard:05d}-of-{len(numbers):05d}'
            with tf.io.TFRecordWriter(str(path)) as writer:
                for at in itertools.islice(pictures, number):
                    made = tf.train.Example()
                    made.features.feature[features[0]].bytes_list.value.append(picture(at))
                    made.features.feature[features[1]].int64_list.value.append(begin + at % 3)
                    writer.write(made.SerializeToString())
    return root


def prepare(root, out, **settings):
    return conversion.prepare(
        tfrecords.find(str(root)),
        str(out),
        settings=SETTINGS | settings,
        max_bad_fraction=1,
        report=lambda *_: None,
    )


def labelled(manifest, split):
    batches = datasets.evaluation(manifest.shards(split), layout=manifest.layout, batch_size=3)
    parts = [
        (squares[mask > 0].numpy(), labels[mask > 0].numpy()) for squares, labels, mask in batches
    ]
    return [each for squares, _ in parts for each in squares], [
        int(each) for _, labels in parts for each in labels
    ]


def truth(numbers):
    return [np.asarray(PIL.Image.open(io.BytesIO(jpeg(at)))) for at in numbers]


@pytest.mark.parametrize(
    ('features', 'begin'), [(('image/encoded', 'image/class/label'), 1), (('image', 'label'), 0)]
)
def test_they_are_linked_and_read_as_they_are(tmp_path, features, begin):
    root = write(tmp_path / 'theirs', features=features, begin=begin)
    before = {path: path.read_bytes() for path in root.iterdir()}
    manifest = prepare(root, tmp_path / 'ours')
    assert {path: path.read_bytes() for path in root.iterdir()} == before
    assert [each.records for each in manifest.splits['train']] == list(SHARDS['train'])
    for path, _ in manifest.shards('train'):
        assert os.path.realpath(path).startswith(str(root))
    for split, numbers in (('train', range(15)), ('validation', range(15, 18))):
        squares, labels = labelled(manifest, split)
        assert labels == [at % 3 for at in numbers]
        np.testing.assert_array_equal(squares, truth(numbers))
    mean = manifests.statistics(manifest)['mean_image']
    np.testing.assert_allclose(mean, np.mean(truth(range(15)), axis=0), atol=1e-4)
    loaded = manifests.load(tmp_path / 'ours')
    manifests.verify(loaded)
    assert checking.problems(loaded) == []


def test_a_change_at_their_place_is_noticed(tmp_path):
    manifest = prepare(write(tmp_path / 'theirs'), tmp_path / 'ours')
    path = tmp_path / 'theirs' / 'train-00001-of-00003'
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    (said,) = checking.problems(manifest)
    assert 'Record 0 (from 0)' in said
    path.unlink()
    with pytest.raises(errors.DataError, match='is missing'):
        manifests.load(tmp_path / 'ours')


def test_grey_and_cmyk_squares_are_colour_when_read(tmp_path):
    modes = {3: 'L', 5: 'CMYK'}
    root = write(tmp_path / 'theirs', picture=lambda at: jpeg(at, mode=modes.get(at, 'RGB')))
    manifest = prepare(root, tmp_path / 'ours')
    assert manifest.kinds['train'] == {'CMYK JPEG': 1, 'JPEG': 13, 'grey JPEG': 1}
    squares, _ = labelled(manifest, 'train')
    grey = np.asarray(PIL.Image.open(io.BytesIO(jpeg(3, mode='L'))))
    np.testing.assert_array_equal(squares[3], np.repeat(grey[..., None], 3, 2))
    assert squares[5].shape == (256, 256, 3)


def other_encoding(root):
    return {'record_encoding': 'raw'}


def other_size(root):
    write_one_more = root / 'validation-00000-of-00001'
    made = tf.train.Example()
    made.features.feature['image/encoded'].bytes_list.value.append(jpeg(1, size=255))
    made.features.feature['image/class/label'].int64_list.value.append(1)
    with tf.io.TFRecordWriter(str(write_one_more)) as writer:
        writer.write(made.SerializeToString())
    return {}


def one_class_a_file(root):
    for shard in range(3):
        path = root / f'train-{shard:05d}-of-00003'
        with tf.io.TFRecordWriter(str(path)) as writer:
            for at in range(5):
                made = tf.train.Example()
                made.features.feature['image/encoded'].bytes_list.value.append(jpeg(5 * shard + at))
                made.features.feature['image/class/label'].int64_list.value.append(1 + shard)
                writer.write(made.SerializeToString())
    return {}


@pytest.mark.parametrize('reason', [other_encoding, other_size, one_class_a_file])
def test_others_are_prepared_anew(tmp_path, reason):
    root = write(tmp_path / 'theirs')
    manifest = prepare(root, tmp_path / 'ours', **reason(root))
    assert [each.records for each in manifest.splits['train']] == [7, 8]
    assert not any(os.path.islink(path) for path, _ in manifest.shards('train'))
    _, labels = labelled(manifest, 'train')
    assert sorted(labels) == sorted(at % 3 for at in range(15))


def test_a_broken_picture_among_them_is_refused(tmp_path):
    def picture(at):
        return jpeg(at)[:-3000] if at == 7 else jpeg(at)

    root = write(tmp_path / 'theirs', picture=picture)
    with pytest.raises(errors.DataError, match=r'00001-of-00003/000002: .*--record_encoding=raw'):
        prepare(root, tmp_path / 'ours')
    manifest = prepare(root, tmp_path / 'anew', record_encoding='raw')
    assert (manifest.examples('train'), manifest.quarantined) == (14, 1)


@pytest.mark.parametrize('begin', [0, 1])
def test_pictures_that_are_to_be_turned_do_not_stay(tmp_path, begin):
    found = tfrecords.find(str(write(tmp_path / 'theirs', begin=begin)))
    found = dataclasses.replace(found, exif_orientation=True)
    for planned in sharding.of(tmp_path / 'ours', found, SETTINGS).values():
        assert not any(task.original for task in planned)


def test_records_that_moved_are_linked_anew(tmp_path):
    before = prepare(write(tmp_path / 'theirs'), tmp_path / 'ours')
    (tmp_path / 'theirs').rename(tmp_path / 'moved')
    found = tfrecords.find(str(tmp_path / 'moved'))
    assert conversion.standing(str(tmp_path / 'ours'), found, SETTINGS) is None
    assert estimate.check_room(found, str(tmp_path / 'ours'), SETTINGS) is None
    after = prepare(tmp_path / 'moved', tmp_path / 'ours')
    assert after.sha256 == before.sha256
    assert conversion.standing(str(tmp_path / 'ours'), found, SETTINGS) == after


def test_what_an_interrupted_call_linked_elsewhere_is_linked_anew(tmp_path, monkeypatch):
    root, other = write(tmp_path / 'theirs'), write(tmp_path / 'copy')
    with monkeypatch.context() as patched:
        patched.setattr(
            manifests, 'save_arrays', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            prepare(root, tmp_path / 'ours')
    manifest = prepare(other, tmp_path / 'ours')
    assert all(str(other) in os.readlink(path) for path, _ in manifest.shards('train'))


def test_records_that_change_meanwhile_are_named(tmp_path):
    root = write(tmp_path / 'theirs')
    found = tfrecords.find(str(root))
    (root / 'train-00001-of-00003').write_bytes(b'short')
    with pytest.raises(errors.DataError, match='has changed since it was looked at'):
        conversion.prepare(
            found,
            str(tmp_path / 'ours'),
            settings=SETTINGS,
            max_bad_fraction=1,
            report=lambda *_: None,
        )
