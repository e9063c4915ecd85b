"""Batches: each example once an epoch, and the same stream after any restart."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import augmentation, datasets
from input_pipeline.prepare import conversion
from input_pipeline.records import checking, manifests
from input_pipeline.sources import folder as folders

BATCH = 5


@pytest.fixture(scope='module', params=['jpeg', 'raw'])
def manifest(request, shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.4)
    settings = {'record_encoding': request.param, 'shard_examples': 5, 'seed': 0}
    return conversion.prepare(
        found,
        str(tmp_path_factory.mktemp('records')),
        settings=settings,
        max_bad_fraction=0,
        report=lambda *_: None,
    )


def training(manifest, *, shift_sd=0.1, crop_chunk=1, **more):
    made = manifests.statistics(manifest)
    augment = augmentation.Augmentation(
        made['mean_image'],
        made['eigenvalues'],
        made['eigenvectors'],
        crop_size=224,
        shift_sd=shift_sd,
        divisor=1.1,
        shift_epochs=2,
        crop_chunk=crop_chunk,
    )
    return datasets.Training(manifest.shards('train'), manifest.layout, augment, BATCH, **more)


def stream(manifest, *, start=(0, 0), epochs=3, **more):
    batches = training(manifest, **more).batches(start=start, epochs=epochs)
    return [tuple(part.numpy() for part in batch) for batch in batches]


@pytest.fixture(scope='module')
def whole(manifest):
    """Three epochs of batches."""
    return stream(manifest)


def batches_of_an_epoch(manifest):
    return -(-manifest.examples('train') // BATCH)


def of_jpeg_alone(manifest):
    """Skips what does not depend on how records hold pictures, where they are raw."""
    if manifest.layout.encoding == 'raw':
        pytest.skip('the same whatever is in the records')


def examples(batches):
    return [
        (image, label)
        for images, labels, mask in batches
        for image, label, counts in zip(images, labels, mask, strict=True)
        if counts
    ]


def test_shapes_and_masks(manifest, whole):
    total = manifest.examples('train')
    assert total % BATCH  # so that the last batch is filled up
    batches = whole[: batches_of_an_epoch(manifest)]
    assert {images.shape for images, _, _ in batches} == {(BATCH, 224, 224, 3)}
    assert [int(mask.sum()) for _, _, mask in batches] == [BATCH] * (total // BATCH) + [
        total % BATCH
    ]


def test_each_class_comes_as_often_as_it_is_stored(manifest, whole):
    by_epoch = np.array([label for _, label in examples(whole)])
    by_epoch = by_epoch.reshape(3, -1)
    stored = [label for _, label in examples(evaluation(manifest, 'train'))]
    for epoch in by_epoch:
        assert sorted(epoch) == sorted(stored)
    assert (by_epoch[0] != by_epoch[1]).any()


def evaluation(manifest, split):
    batches = datasets.evaluation(manifest.shards(split), layout=manifest.layout, batch_size=BATCH)
    return [tuple(part.numpy() for part in batch) for batch in batches]


@pytest.mark.parametrize('start', [(0, 5), (1, 0), (2, 10)])
def test_a_resumed_stream_is_the_uninterrupted_one(manifest, whole, start):
    of_jpeg_alone(manifest)
    epoch, seen = start
    resumed = examples(stream(manifest, start=start))
    expected = examples(whole)[epoch * manifest.examples('train') + seen :]
    assert len(resumed) == len(expected)
    for (image, label), (wanted, its_label) in zip(resumed, expected, strict=True):
        assert label == its_label
        np.testing.assert_array_equal(image, wanted)


def test_pixels_are_grey_levels_minus_the_mean(whole):
    images = np.concatenate([images for images, _, _ in whole[:2]])
    assert images.dtype == np.float32
    assert images.std() > 10
    assert abs(images.mean()) < 10
    assert -330 < images.min() < -20
    assert 20 < images.max() < 330


def test_seeds_give_other_streams(manifest, whole):
    of_jpeg_alone(manifest)
    other = stream(manifest, epochs=1, seed=1)
    assert any((a[0] != b[0]).any() for a, b in zip(whole, other, strict=False))


def test_evaluation_holds_every_example_once(manifest):
    found = examples(evaluation(manifest, 'validation'))
    assert len(found) == manifest.examples('validation')
    assert len({image.tobytes() for image, _ in found}) == len(found)


def test_a_shard_of_another_length_is_bad_data(manifest):
    short = [(path, number + 1) for path, number in manifest.shards('validation')]
    batches = datasets.evaluation(short, layout=manifest.layout, batch_size=BATCH)
    with pytest.raises(errors.DataError, match='a record cannot be read'):
        list(datasets.read(batches, 'somewhere'))


def test_the_accelerator_gets_bytes_and_makes_the_same_of_them(manifest, whole):
    of_jpeg_alone(manifest)
    there = training(manifest, on_accelerator=True)
    finish = tf.function(there.augment.finish_on_device)
    for (crops, labels, mask), expected in zip(there.batches(epochs=3), whole, strict=True):
        assert crops[0].dtype == tf.uint8
        images = finish(*crops)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(labels, expected[1])
        np.testing.assert_array_equal(mask, expected[2])


def test_bfloat16_images_are_the_float32_ones_rounded(manifest, whole):
    of_jpeg_alone(manifest)
    for half, full in zip(stream(manifest, dtype='bfloat16'), whole, strict=True):
        np.testing.assert_array_equal(half[0], full[0].astype(half[0].dtype))
        assert half[0].dtype == tf.bfloat16.as_numpy_dtype


def test_every_picture_is_its_own_crop_of_what_is_stored(manifest):
    """Against NumPy: decode whole, cut, mirror, subtract, shift, divide."""
    made = training(manifest, seed=3)
    stored = [image for image, _ in examples(evaluation(manifest, 'train'))]
    mean = manifests.statistics(manifest)['mean_image'][16:240, 16:240]
    seen = examples(stream(manifest, seed=3, reshuffle=False, epochs=1))
    indices = tf.range(len(stored), dtype=tf.int64)
    drawn = made.augment.draw(indices, indices, seed=3, epochs=tf.zeros_like(indices))
    for at, (image, _) in enumerate(seen):
        row, column = int(drawn.rows[at]), int(drawn.columns[at])
        crop = stored[at][row : row + 224, column : column + 224].astype(np.float64)
        crop = crop[:, ::-1] if drawn.mirrored[at] else crop
        expected = (crop - mean + drawn.shifts[at].numpy()) / 1.1
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_in_a_fixed_order_every_epoch_is_the_files(manifest):
    of_jpeg_alone(manifest)
    stored = [label for _, label in examples(evaluation(manifest, 'train'))]
    seen = [label for _, label in examples(stream(manifest, reshuffle=False, epochs=2))]
    assert seen == stored * 2


def test_pictures_in_a_row_may_share_crop_and_mirror(manifest):
    """Also after a resume in the middle of such a chunk."""
    of_jpeg_alone(manifest)
    whole = examples(stream(manifest, crop_chunk=4))
    total = manifest.examples('train')
    resumed = examples(stream(manifest, crop_chunk=4, start=(1, 6)))
    for (image, _), (expected, _) in zip(resumed, whole[total + 6 :], strict=True):
        np.testing.assert_array_equal(image, expected)
    augment = training(manifest, crop_chunk=4).augment
    positions = tf.range(40, dtype=tf.int64)
    drawn = augment.draw(positions[::-1], positions, seed=0, epochs=tf.zeros_like(positions))
    for values in (drawn.rows, drawn.columns, drawn.mirrored):
        by_chunk = values.numpy().reshape(10, 4)
        assert (by_chunk == by_chunk[:, :1]).all()
        assert len(set(by_chunk[:, 0])) > 1
    assert len(set(drawn.shifts.numpy()[:, 0])) == 40


def test_parallelism_changes_nothing(manifest, whole, monkeypatch):
    of_jpeg_alone(manifest)
    monkeypatch.setattr(tf.data, 'AUTOTUNE', 1)
    for one, other in zip(stream(manifest), whole, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def damaged(manifest, directory, *, at):
    """A copy of the training shards in which record `at` of the first is no picture."""
    found = []
    for number, (path, size) in enumerate(manifest.shards('train')):
        copy = str(directory / f'{number}.tfrecord')
        with tf.io.TFRecordWriter(copy) as writer:
            for place, record in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
                example = tf.train.Example.FromString(record)
                if (number, place) == (0, at):
                    example.features.feature['image/encoded'].bytes_list.value[0] = b'nothing'
                writer.write(example.SerializeToString())
        found.append((copy, size))
    return found


def test_a_picture_that_cannot_be_decoded_is_named(manifest, tmp_path):
    shards = damaged(manifest, tmp_path, at=2)
    made = dataclasses.replace(training(manifest), shards=shards)

    def find():
        return checking.first_unreadable(shards, manifest.layout)

    with pytest.raises(errors.DataError, match=r'Record 2 \(from 0\) of .*/0\.tfrecord'):
        list(datasets.read(made.batches(epochs=1), 'somewhere', find))


def test_a_picture_that_cannot_be_decoded_is_masked_where_that_is_tolerated(
    manifest, whole, tmp_path
):
    shards = damaged(manifest, tmp_path, at=2)
    made = dataclasses.replace(training(manifest), shards=shards, tolerant=True)
    expected = whole[: 2 * batches_of_an_epoch(manifest)]
    missing = 0
    for batch, (images, labels, mask) in zip(made.batches(epochs=2), expected, strict=True):
        there = batch[2].numpy().astype(bool)
        missing += int(mask.sum() - there.sum())
        np.testing.assert_array_equal(batch[0].numpy()[there], images[there])
        np.testing.assert_array_equal(batch[1].numpy()[there], labels[there])
    assert missing == 2


def test_shares_of_every_batch_make_the_whole_batches(manifest):
    """Of two workers, each has its rows of the batches that one alone would have."""
    of_jpeg_alone(manifest)

    def made(**more):
        stream = dataclasses.replace(training(manifest), batch_size=4, **more)
        batches = stream.batches(start=(0, 8), epochs=2)
        return [[part.numpy() for part in batch] for batch in batches]

    whole, shares = made(), [made(share=(at, 2)) for at in range(2)]
    assert [len(each) for each in shares] == 2 * [len(whole)]
    for batch, *parts in zip(whole, *shares, strict=True):
        for part, of_shares in zip(batch, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(part, np.concatenate(of_shares))


def test_shares_of_evaluation_make_the_whole(manifest):
    of_jpeg_alone(manifest)

    def made(**more):
        batches = datasets.evaluation(
            manifest.shards('train'), layout=manifest.layout, batch_size=6, **more
        )
        return [[part.numpy() for part in batch] for batch in batches]

    for batch, *parts in zip(made(), *(made(share=(at, 3)) for at in range(3)), strict=True):
        for part, of_shares in zip(batch, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(part, np.concatenate(of_shares))


def test_some_squares_are_those_of_evaluation(manifest):
    batches = datasets.evaluation(manifest.shards('train'), layout=manifest.layout, batch_size=4)
    every = np.concatenate([squares.numpy() for squares, _, _ in batches])
    places = [11, 0, 5, 0]  # of shards of 5
    found = datasets.squares(manifest.shards('train'), manifest.layout, places)
    for at, square in zip(places, found, strict=True):
        np.testing.assert_array_equal(square, every[at])
