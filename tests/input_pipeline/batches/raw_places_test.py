"""Raw images that are cut where they lie give the batches that their records give."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import augmentation, datasets, raw_places
from input_pipeline.records import manifests

BATCH = 6


@pytest.fixture(scope='module')
def prepared(prepare_folder, shared_folder, tmp_path_factory):
    directory = tmp_path_factory.mktemp('raw')
    settings = {'record_encoding': 'raw', 'shard_examples': 5}
    return prepare_folder(shared_folder, directory, held_out=0.4, **settings)


def create_dataset(manifest, *, min_crop_area=0.0, **attributes):
    settings = augmentation.AugmentationSettings(
        crop_size=128, colour_shift_sd=0.1, min_crop_area=min_crop_area
    )
    augment = augmentation.Augmentation(manifests.load_statistics(manifest), settings)
    shards = manifest.list_shards('train')
    return datasets.TrainingDataset(shards, manifest.layout, augment, BATCH, **attributes)


def read(dataset, epochs=2):
    return [[part.numpy() for part in batch] for batch in dataset.read_batches(epochs=epochs)]


@pytest.mark.parametrize(
    'attributes',
    [{}, {'min_crop_area': 0.3}, {'lanes': 3, 'share': (1, 3)}],
    ids=['crops', 'resized crops', 'a share of lanes'],
)
def test_batches_are_those_of_records_to_the_bit_in_the_first_epoch_and_the_next(
    prepared, attributes
):
    dataset = create_dataset(prepared, **attributes)
    batches, expected = read(dataset), read(dataclasses.replace(dataset, in_place=False))
    assert len(batches) == len(expected) > 2
    for batch, other in zip(batches, expected, strict=True):
        for part, other_part in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_images_are_found_whose_bytes_look_like_what_stands_before_them(tmp_path):
    """A size of 3 x 4 x 4 bytes is encoded as one byte, 48, after the byte 10."""
    layout = manifests.Layout(encoding='raw', square_size=4)
    images = [bytes([value]) * 48 for value in (48, 10, 0)]
    path = str(tmp_path / 'shard')
    with tf.io.TFRecordWriter(path) as writer:
        for label, image in enumerate(images):
            feature = {
                layout.image: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                layout.label: tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[label + layout.first_label])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    places = raw_places.RawPlaces(layout)
    parts = raw_places.lanes.divide([(path, 3)], 1)
    for _ in range(2):  # from the records, and from what is remembered
        rows, indices = places.find(parts, tf.constant([0], tf.int64))
        assert indices.numpy().tolist() == [0, 1, 2]
        stored = pathlib.Path(path).read_bytes()
        assert [stored[at : at + 48] for _, at, _ in rows.numpy()] == images
        assert rows.numpy()[:, 2].tolist() == [0, 1, 2]


def test_a_file_that_is_cut_while_it_is_used_is_an_error_that_names_it(prepared, tmp_path):
    shutil.copytree(prepared.directory, tmp_path / 'copy')
    manifest = manifests.load(tmp_path / 'copy')
    dataset = create_dataset(manifest, reshuffle=False)
    batches = iter(datasets.iterate(dataset.read_batches(epochs=100), 'D', lambda: 'Which one.'))
    for _ in range(2 * manifest.count_examples('train') // BATCH + 1):
        next(batches)  # all places are known
    last, _ = manifest.list_shards('train')[-1]
    with open(last, 'r+b') as file:
        file.truncate(1000)
    with pytest.raises(errors.DataError, match='Which one'):
        list(batches)
