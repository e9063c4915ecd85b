"""Checks that images are read as they lie as records of the same images are, from any source."""

import dataclasses
import gzip
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from input_pipeline.batches import augmentation, datasets
from input_pipeline.prepare import conversion
from input_pipeline.records import known_statistics, manifests, reading, references
from input_pipeline.sources import detection


def encode(seed, kind='JPEG', mode='RGB', **options):
    """Encodes noise that is not square."""
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7 + seed % 5, 3), np.uint8)
    image, buffer = PIL.Image.fromarray(pixels).resize((40 + seed, 30)), io.BytesIO()
    if mode == 'RGBA':
        image.putalpha(seed * 7 % 256)
    image.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def encode_turned(seed):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return encode(seed, exif=exif)


def make_images():
    """Makes images of every format."""
    kinds = [('JPEG', 'RGB'), ('JPEG', 'CMYK'), ('PNG', 'RGBA'), ('GIF', 'P'), ('BMP', 'RGB')]
    kinds += [('WEBP', 'RGB'), ('JPEG', 'L')]
    images = [encode(seed, *kinds[seed % len(kinds)]) for seed in range(13)]
    return [*images, encode_turned(13)]


def write_folder(root):
    for number, image in enumerate(make_images()):
        path = root / 'images' / 'ab'[number % 2] / f'{number:02d}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    return 'folder', root / 'images'


def write_list(root):
    _, folder = write_folder(root)
    rows = [(path, path.parent.name) for path in sorted(folder.glob('*/*'))]
    rows = [
        f'{path.relative_to(root) if number % 2 else path},{name}'
        for number, (path, name) in enumerate(rows)
    ]
    (root / 'list.csv').write_text('path,label\n' + '\n'.join(rows))
    return 'csv', root / 'list.csv'


def make_record(image, label, names):
    example = tf.train.Example()
    example.features.feature[names[0]].bytes_list.value.append(image)
    example.features.feature[names[1]].int64_list.value.append(label)
    return example.SerializeToString()


def write_records(root, names, compress=lambda data: data, splits=('train', 'validation')):
    root.mkdir()
    for split, images in zip(splits, (make_images(), make_images()[:5]), strict=False):
        path = root / f'{split}-00000-of-00001'
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number, image in enumerate(images):
                writer.write(make_record(image, number % 2, names))
        path.write_bytes(compress(path.read_bytes()))
    return 'records', root


SLIM, TFDS = ('image/encoded', 'image/class/label'), ('image', 'label')
SOURCES = {
    'folder': write_folder,
    'csv': write_list,
    'slim': lambda root: write_records(root / 'slim', SLIM),
    'gzip': lambda root: write_records(root / 'gzip', SLIM, gzip.compress),
    'one split': lambda root: write_records(root / 'one', TFDS, splits=('train',)),
}


@pytest.fixture(params=[*SOURCES, 'tars', 'tfds'])
def source(request, tmp_path):
    """A source, found for an index in the folder 'index'."""
    if request.param == 'tars':
        kind, place = 'ilsvrc2012', request.getfixturevalue('tars2012')
    elif request.param == 'tfds':
        kind, place = 'tfds', ''
        request.getfixturevalue('mocked')
    else:
        kind, place = SOURCES[request.param](tmp_path)
    wanted = detection.Request(str(place), tmp_path / 'index', 0.4, dataset='tf_flowers')
    source = detection.FINDERS[kind](wanted)
    return dataclasses.replace(source, root=str(place if place and place.is_dir() else tmp_path))


@pytest.fixture
def mocked():
    with tfds.testing.mock_data(num_examples=12):
        yield


def prepare(source, directory, encoding, statistics=None, **settings):
    defaults = {'record_encoding': encoding, 'shard_examples': 4, 'seed': 0}
    conversion.prepare(
        source,
        str(directory),
        settings=defaults | settings,
        max_bad_fraction=0,
        report=lambda *_: None,
        image_statistics=statistics,
    )
    return manifests.load(directory)


def read_records(manifest):
    """Reads (name, label, encoded image) of each record, in order, through its reference."""
    for split in manifest.splits:
        for path, _ in manifest.list_shards(split):
            for record in tf.data.TFRecordDataset(path):
                feature = tf.train.Example.FromString(record.numpy()).features.feature
                reference = feature[manifest.layout.image].bytes_list.value[0]
                yield (
                    feature['image/filename'].bytes_list.value[0].decode(),
                    feature['image/class/label'].int64_list.value[0],
                    references.read(tf.constant(reference), manifest.layout.root).encoded.numpy(),
                )


def test_an_index_refers_to_every_image_of_a_source_where_it_lies(source, tmp_path):
    known = known_statistics.load('imagenet', source.square_size)
    index = prepare(source, tmp_path / 'index', 'reference', known, statistics_images=0)
    expected = {
        (split, entry.name): (entry.label, entry.read())
        for split, members in source.splits.items()
        for entry in members
    }
    assert {(name, label): image for name, label, image in read_records(index)} == {
        (name, label): image for (_, name), (label, image) in expected.items()
    }


def test_images_as_they_lie_are_the_stream_of_raw_records(tmp_path):
    kind, place = write_folder(tmp_path)
    source = detection.FINDERS[kind](detection.Request(str(place), tmp_path, 0.3))
    source = dataclasses.replace(source, root=str(place))
    index = prepare(source, tmp_path / 'index', 'reference', statistics_images=10**6)
    raw = prepare(source, tmp_path / 'raw', 'raw')
    assert index.statistics_sha256 == raw.statistics_sha256
    assert index.sha256 != raw.sha256
    streams = (create_stream(manifest, start=(1, 4)) for manifest in (index, raw))
    number = 0
    for batch, expected in zip(*streams, strict=True):
        for part, expected_part in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(part, expected_part)
        number += 1
    assert number == 2  # of 3 batches in an epoch of 10 images


def create_stream(manifest, start):
    statistics = manifests.load_statistics(manifest)
    settings = augmentation.AugmentationSettings(224, 0.1)
    augment = augmentation.Augmentation(statistics, settings)
    shards = manifest.list_shards('train')
    stream = datasets.TrainingDataset(shards, manifest.layout, augment, 4)
    return stream.read_batches(start=start, epochs=2)


def test_the_bytes_that_a_restart_reads_are_those_of_what_is_left(tmp_path):
    kind, place = write_folder(tmp_path)
    source = detection.FINDERS[kind](detection.Request(str(place), tmp_path, 0.3))
    source = dataclasses.replace(source, root=str(place))
    known = known_statistics.load('imagenet', 256)
    index = prepare(source, tmp_path / 'index', 'reference', known, statistics_images=0)
    sizes = {entry.name: len(entry.read()) for entry in source.splits['train']}
    stream = datasets.TrainingDataset(index.list_shards('train'), index.layout, None, 4, seed=5)
    whole = locate(stream, (0, 0))
    assert sum(place.size for place in whole[:10]) == sum(sizes.values())
    for skipped in (4, 8):  # each example once: the rest of the same order, and nothing before it
        assert locate(stream, (0, skipped))[: 10 - skipped] == whole[skipped:10]


def locate(stream, start):
    """Lists the places of the images that are read from a position on, in order."""
    return [
        references.locate(reference)
        for chunk in stream.read_chunks(start=start, epochs=1)
        for reference in reading.parse_records(chunk.records, stream.layout)[0].numpy()
    ]
