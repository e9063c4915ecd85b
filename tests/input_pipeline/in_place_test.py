"""Checks that another program's records are used in place if their images have the right size."""

import dataclasses
import gzip
import io
import itertools
import os
import types

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import datasets
from input_pipeline.images import rendering
from input_pipeline.prepare import conversion, estimate, sharding
from input_pipeline.records import checking, manifests
from input_pipeline.sources import tfrecords

SHARDS = {'train': (5, 4, 6), 'validation': (3,)}
SETTINGS = {'record_encoding': 'jpeg', 'shard_examples': 8, 'seed': 0}
SLIM = ('image/encoded', 'image/class/label')


def encode_jpeg(seed, size=256, mode='RGB'):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(noise).resize((size, size)).convert(mode).save(buffer, 'JPEG')
    return buffer.getvalue()


def write_shard(path, rows, features=SLIM):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in rows:
            example = tf.train.Example()
            example.features.feature[features[0]].bytes_list.value.append(image)
            example.features.feature[features[1]].int64_list.value.append(label)
            writer.write(example.SerializeToString())


def write_records(root, *, features=SLIM, first_label=1, encode=encode_jpeg):
    """Writes images 0 to 17 in shards, with the labels 0 to 2 in turns from `first_label`."""
    root.mkdir()
    rows = ((encode(seed), first_label + seed % 3) for seed in itertools.count())
    for split, sizes in SHARDS.items():
        for shard, size in enumerate(sizes):
            path = root / f'{split}-{shard:05d}-of-{len(sizes):05d}'
            write_shard(path, itertools.islice(rows, size), features)
    return root


def prepare(root, data_dir, **settings):
    return conversion.prepare(
        tfrecords.find_images(str(root), copies_dir=root / 'copies'),
        str(data_dir),
        settings=SETTINGS | settings,
        max_bad_fraction=1,
        report=lambda *_: None,
    )


def read_examples(manifest, split):
    batches = datasets.evaluation_dataset(
        manifest.list_shards(split), layout=manifest.layout, batch_size=3
    )
    squares, labels = [], []
    for batch, batch_labels, mask in batches:
        squares += list(batch[mask > 0].numpy())
        labels += batch_labels[mask > 0].numpy().tolist()
    return squares, labels


def decode_with_pillow(seeds):
    return [np.asarray(PIL.Image.open(io.BytesIO(encode_jpeg(seed)))) for seed in seeds]


@pytest.mark.parametrize(('features', 'first_label'), [(SLIM, 1), (('image', 'label'), 0)])
def test_records_are_linked_and_read_as_they_are(tmp_path, features, first_label):
    root = write_records(tmp_path / 'theirs', features=features, first_label=first_label)
    before = {path: path.read_bytes() for path in root.iterdir()}
    manifest = prepare(root, tmp_path / 'ours')
    assert {path: path.read_bytes() for path in root.iterdir()} == before
    assert [shard.records for shard in manifest.splits['train']] == list(SHARDS['train'])
    for path, _ in manifest.list_shards('train'):
        assert os.path.realpath(path).startswith(str(root))
    for split, seeds in (('train', range(15)), ('validation', range(15, 18))):
        squares, labels = read_examples(manifest, split)
        assert labels == [seed % 3 for seed in seeds]
        np.testing.assert_array_equal(squares, decode_with_pillow(seeds))
    mean = manifests.load_statistics(manifest).mean_image
    np.testing.assert_allclose(mean, np.mean(decode_with_pillow(range(15)), axis=0), atol=1e-4)
    loaded = manifests.load(tmp_path / 'ours')
    manifests.verify(loaded)
    assert checking.find_problems(loaded) == []


def test_a_change_of_the_linked_records_is_noticed(tmp_path):
    manifest = prepare(write_records(tmp_path / 'theirs'), tmp_path / 'ours')
    path = tmp_path / 'theirs' / 'train-00001-of-00003'
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    (problem,) = checking.find_problems(manifest)
    assert 'Record 0 (from 0)' in problem
    path.unlink()
    with pytest.raises(errors.DataError, match='is missing'):
        manifests.load(tmp_path / 'ours')


def test_grey_and_cmyk_squares_are_read_as_colour(tmp_path):
    modes = {3: 'L', 5: 'CMYK'}
    root = write_records(
        tmp_path / 'theirs', encode=lambda seed: encode_jpeg(seed, mode=modes.get(seed, 'RGB'))
    )
    manifest = prepare(root, tmp_path / 'ours')
    assert manifest.kinds['train'] == {'CMYK JPEG': 1, 'JPEG': 13, 'grey JPEG': 1}
    squares, _ = read_examples(manifest, 'train')
    grey = np.asarray(PIL.Image.open(io.BytesIO(encode_jpeg(3, mode='L'))))
    np.testing.assert_array_equal(squares[3], np.repeat(grey[..., None], 3, 2))
    assert squares[5].shape == (256, 256, 3)


def raw_encoding(root):
    return {'record_encoding': 'raw'}


def an_image_of_another_size(root):
    write_shard(root / 'validation-00000-of-00001', [(encode_jpeg(1, size=255), 1)])
    return {}


def one_class_in_a_shard(root):
    for shard in range(3):
        rows = [(encode_jpeg(5 * shard + index), 1 + shard) for index in range(5)]
        write_shard(root / f'train-{shard:05d}-of-00003', rows)
    return {}


@pytest.mark.parametrize('change', [raw_encoding, an_image_of_another_size, one_class_in_a_shard])
def test_other_records_are_written_anew(tmp_path, change):
    root = write_records(tmp_path / 'theirs')
    manifest = prepare(root, tmp_path / 'ours', **change(root))
    assert [shard.records for shard in manifest.splits['train']] == [7, 8]
    assert not any(os.path.islink(path) for path, _ in manifest.list_shards('train'))
    _, labels = read_examples(manifest, 'train')
    assert sorted(labels) == sorted(seed % 3 for seed in range(15))


def test_a_broken_image_among_them_is_refused(tmp_path):
    def encode(seed):
        return encode_jpeg(seed)[:-3000] if seed == 7 else encode_jpeg(seed)

    root = write_records(tmp_path / 'theirs', encode=encode)
    with pytest.raises(errors.DataError, match=r'00001-of-00003/000002: .*--record_encoding=raw'):
        prepare(root, tmp_path / 'ours')
    manifest = prepare(root, tmp_path / 'raw', record_encoding='raw')
    assert (manifest.count_examples('train'), manifest.quarantined) == (14, 1)


@pytest.mark.parametrize('first_label', [0, 1])
def test_images_that_must_be_rotated_are_not_used_in_place(tmp_path, first_label):
    root = write_records(tmp_path / 'theirs', first_label=first_label)
    source = dataclasses.replace(
        tfrecords.find_images(str(root), copies_dir=root / 'copies'), rendering=rendering.OWN_IMAGES
    )
    tasks = sharding.plan_shards(tmp_path / 'ours', source, SETTINGS)
    assert not any(task.original for task in tasks)


def test_compressed_records_are_not_used_in_place(tmp_path):
    root, copies_dir = write_records(tmp_path / 'theirs'), tmp_path / 'copies'
    assert tfrecords.find_images(str(root), copies_dir=copies_dir).in_place_layout
    for path in root.glob('*-of-*'):
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert tfrecords.find_images(str(root), copies_dir=copies_dir).in_place_layout is None


def test_records_that_moved_are_linked_again(tmp_path):
    before = prepare(write_records(tmp_path / 'theirs'), tmp_path / 'ours')
    (tmp_path / 'theirs').rename(tmp_path / 'moved')
    source = tfrecords.find_images(str(tmp_path / 'moved'), copies_dir=tmp_path)
    assert conversion.load_if_current(str(tmp_path / 'ours'), source, SETTINGS) is None
    assert estimate.check_disk_space(source, str(tmp_path / 'ours'), SETTINGS) is None
    after = prepare(tmp_path / 'moved', tmp_path / 'ours')
    assert after.sha256 == before.sha256
    assert conversion.load_if_current(str(tmp_path / 'ours'), source, SETTINGS) == after


def test_links_of_an_interrupted_prepare_are_replaced(tmp_path, monkeypatch):
    root, other = write_records(tmp_path / 'theirs'), write_records(tmp_path / 'copy')
    with monkeypatch.context() as patched:
        patched.setattr(
            manifests, 'save_arrays', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            prepare(root, tmp_path / 'ours')
    manifest = prepare(other, tmp_path / 'ours')
    assert all(str(other) in os.readlink(path) for path, _ in manifest.list_shards('train'))


def test_records_that_change_during_prepare_are_named(tmp_path):
    root = write_records(tmp_path / 'theirs')
    source = tfrecords.find_images(str(root), copies_dir=root / 'copies')
    (root / 'train-00001-of-00003').write_bytes(b'short')
    with pytest.raises(errors.DataError, match='has changed since it was listed'):
        conversion.prepare(
            source,
            str(tmp_path / 'ours'),
            settings=SETTINGS,
            max_bad_fraction=1,
            report=lambda *_: None,
        )


@pytest.mark.parametrize(('shards', 'fit'), [([[0] * 20, [1] * 20], False), ([[0, 1]] * 9, True)])
def test_shards_of_one_of_two_classes_are_written_anew(shards, fit):
    rows = [
        types.SimpleNamespace(
            layout='jpeg',
            split='train',
            entry=types.SimpleNamespace(read=types.SimpleNamespace(path=path), label=label),
        )
        for path, labels in enumerate(shards)
        for label in labels
    ]
    assert tfrecords._fit_in_place(rows, classes=2) is fit
