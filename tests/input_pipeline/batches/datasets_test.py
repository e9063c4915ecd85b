"""Batches: each example once an epoch, and the same order after any restart."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import augmentation, datasets
from input_pipeline.records import manifests

BATCH = 5


@pytest.fixture(scope='module', params=['jpeg', 'raw'])
def manifest(request, prepare_folder, shared_folder, tmp_path_factory):
    return prepare_folder(
        shared_folder,
        tmp_path_factory.mktemp('records'),
        held_out=0.4,
        record_encoding=request.param,
        shard_examples=5,
    )


def create_dataset(manifest, *, crop_chunk=1, **attributes):
    settings = augmentation.AugmentationSettings(
        crop_size=224,
        colour_shift_sd=0.1,
        colour_shift_divisor=1.1,
        colour_shift_epochs=2,
        crop_chunk=crop_chunk,
    )
    augment = augmentation.Augmentation(manifests.load_statistics(manifest), settings)
    return datasets.TrainingDataset(
        manifest.list_shards('train'), manifest.layout, augment, BATCH, **attributes
    )


def to_numpy(batches):
    return [tuple(part.numpy() for part in batch) for batch in batches]


def read_batches(manifest, *, start=(0, 0), epochs=3, **attributes):
    dataset = create_dataset(manifest, **attributes)
    return to_numpy(dataset.read_batches(start=start, epochs=epochs))


def evaluate(manifest, split, **arguments):
    arguments = {'layout': manifest.layout, 'batch_size': BATCH} | arguments
    return to_numpy(datasets.evaluation_dataset(manifest.list_shards(split), **arguments))


@pytest.fixture(scope='module')
def whole(manifest):
    """Three epochs of batches."""
    return read_batches(manifest)


def count_batches(manifest):
    return -(-manifest.count_examples('train') // BATCH)


def skip_unless_jpeg(manifest):
    if manifest.layout.encoding == 'raw':
        pytest.skip('does not depend on how records hold images')


def list_examples(batches):
    """(image, label) of every example that counts."""
    return [
        (image, label)
        for images, labels, mask in batches
        for image, label, counts in zip(images, labels, mask, strict=True)
        if counts
    ]


def test_shapes_and_masks(manifest, whole):
    total = manifest.count_examples('train')
    assert total % BATCH  # so that the last batch is filled up
    batches = whole[: count_batches(manifest)]
    assert {images.shape for images, _, _ in batches} == {(BATCH, 224, 224, 3)}
    counts = [int(mask.sum()) for _, _, mask in batches]
    assert counts == [BATCH] * (total // BATCH) + [total % BATCH]


def test_each_class_comes_as_often_as_it_is_stored(manifest, whole):
    by_epoch = np.array([label for _, label in list_examples(whole)]).reshape(3, -1)
    stored = [label for _, label in list_examples(evaluate(manifest, 'train'))]
    for epoch in by_epoch:
        assert sorted(epoch) == sorted(stored)
    assert (by_epoch[0] != by_epoch[1]).any()


def test_copies_of_an_example_in_a_balanced_epoch_are_cropped_differently(manifest):
    skip_unless_jpeg(manifest)
    total = manifest.count_examples('train')
    labels = np.array([0] + [1] * (total - 1))  # the first example makes up half of the epoch
    dataset = create_dataset(manifest, balanced_labels=labels)
    assert dataset.num_examples == total // 2 * 2
    images = [
        image.tobytes() for image, _ in list_examples(to_numpy(dataset.read_batches(epochs=1)))
    ]
    assert len(images) == dataset.num_examples
    assert len(set(images)) == len(images)


def test_resumed_batches_are_the_uninterrupted_ones(manifest, whole):
    """`shuffling_test` resumes at other positions."""
    skip_unless_jpeg(manifest)
    epoch, skipped = 1, 10
    resumed = list_examples(read_batches(manifest, start=(epoch, skipped)))
    expected = list_examples(whole)[epoch * manifest.count_examples('train') + skipped :]
    assert len(resumed) == len(expected)
    for (image, label), (expected_image, expected_label) in zip(resumed, expected, strict=True):
        assert label == expected_label
        np.testing.assert_array_equal(image, expected_image)


def test_images_are_grey_levels_minus_the_mean(whole):
    images = np.concatenate([images for images, _, _ in whole[:2]])
    assert images.dtype == np.float32
    assert images.std() > 10
    assert abs(images.mean()) < 10
    assert -330 < images.min() < -20
    assert 20 < images.max() < 330


def test_another_seed_gives_another_order(manifest, whole):
    skip_unless_jpeg(manifest)
    other = read_batches(manifest, epochs=1, seed=1)
    assert any((a[0] != b[0]).any() for a, b in zip(whole, other, strict=False))


def test_evaluation_holds_every_example_once(manifest):
    examples = list_examples(evaluate(manifest, 'validation'))
    assert len(examples) == manifest.count_examples('validation')
    assert len({image.tobytes() for image, _ in examples}) == len(examples)


def test_a_shard_of_another_length_is_bad_data(manifest):
    shards = [(path, number + 1) for path, number in manifest.list_shards('validation')]
    batches = datasets.evaluation_dataset(shards, layout=manifest.layout, batch_size=BATCH)
    with pytest.raises(errors.DataError, match='a record cannot be read'):
        list(datasets.iterate(batches, 'somewhere'))


def test_the_accelerator_gets_bytes_and_finishes_them_equally(manifest, whole):
    skip_unless_jpeg(manifest)
    dataset = create_dataset(manifest, on_accelerator=True)
    finish = tf.function(dataset.augment.finish_on_device)
    batches = dataset.read_batches(epochs=3)
    for (arguments, labels, mask), expected in zip(batches, whole, strict=True):
        assert arguments[0].dtype == tf.uint8
        np.testing.assert_array_equal(finish(*arguments), expected[0])
        np.testing.assert_array_equal(labels, expected[1])
        np.testing.assert_array_equal(mask, expected[2])


def test_bfloat16_images_are_the_float32_images_rounded(manifest, whole):
    skip_unless_jpeg(manifest)
    for half, full in zip(read_batches(manifest, dtype='bfloat16'), whole, strict=True):
        np.testing.assert_array_equal(half[0], full[0].astype(half[0].dtype))
        assert half[0].dtype == tf.bfloat16.as_numpy_dtype


def test_every_image_is_a_crop_of_what_is_stored(manifest):
    """Against NumPy: decode whole, cut, mirror, subtract, shift, divide."""
    dataset = create_dataset(manifest, seed=3)
    stored = [image for image, _ in list_examples(evaluate(manifest, 'train'))]
    mean = manifests.load_statistics(manifest).mean_image[16:240, 16:240]
    examples = list_examples(read_batches(manifest, seed=3, reshuffle=False, epochs=1))
    indices = tf.range(len(stored), dtype=tf.int64)
    parameters = dataset.augment.sample(indices, indices, seed=3, epochs=tf.zeros_like(indices))
    for index, (image, _) in enumerate(examples):
        row, column = parameters.windows[index, :2].numpy()
        crop = stored[index][row : row + 224, column : column + 224].astype(np.float64)
        crop = crop[:, ::-1] if parameters.mirrored[index] else crop
        expected = (crop - mean + parameters.shifts[index].numpy()) / 1.1
        np.testing.assert_allclose(image, expected, atol=1e-3)


def test_without_reshuffle_every_epoch_has_the_order_of_the_files(manifest):
    skip_unless_jpeg(manifest)
    stored = [label for _, label in list_examples(evaluate(manifest, 'train'))]
    batches = read_batches(manifest, reshuffle=False, epochs=2)
    assert [label for _, label in list_examples(batches)] == stored * 2


def test_neighbouring_images_may_share_crop_and_mirror(manifest):
    """Also after a resume in the middle of such a chunk."""
    skip_unless_jpeg(manifest)
    whole = list_examples(read_batches(manifest, crop_chunk=4))
    total = manifest.count_examples('train')
    resumed = list_examples(read_batches(manifest, crop_chunk=4, start=(1, 6)))
    for (image, _), (expected, _) in zip(resumed, whole[total + 6 :], strict=True):
        np.testing.assert_array_equal(image, expected)
    augment = create_dataset(manifest, crop_chunk=4).augment
    positions = tf.range(40, dtype=tf.int64)
    epochs = tf.zeros_like(positions)
    parameters = augment.sample(positions[::-1], positions, seed=0, epochs=epochs)
    for values in (*tf.unstack(parameters.windows, axis=1)[:2], parameters.mirrored):
        by_chunk = values.numpy().reshape(10, 4)
        assert (by_chunk == by_chunk[:, :1]).all()
        assert len(set(by_chunk[:, 0])) > 1
    assert len(set(parameters.shifts.numpy()[:, 0])) == 40


def test_batches_do_not_depend_on_parallelism(manifest, whole, monkeypatch):
    skip_unless_jpeg(manifest)
    monkeypatch.setattr(tf.data, 'AUTOTUNE', 1)
    for sequential, parallel in zip(read_batches(manifest), whole, strict=True):
        np.testing.assert_array_equal(sequential[0], parallel[0])


def copy_damaged(manifest, directory, *, row):
    """Copies the training shards; in the first, the image of one record is none."""
    shards = []
    for number, (path, size) in enumerate(manifest.list_shards('train')):
        copy = str(directory / f'{number}.tfrecord')
        with tf.io.TFRecordWriter(copy) as writer:
            for index, record in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator()):
                example = tf.train.Example.FromString(record)
                if (number, index) == (0, row):
                    example.features.feature['image/encoded'].bytes_list.value[0] = b'nothing'
                writer.write(example.SerializeToString())
        shards.append((copy, size))
    return shards


def test_an_image_that_cannot_be_decoded_is_named(manifest, tmp_path):
    shards = copy_damaged(manifest, tmp_path, row=2)
    dataset = dataclasses.replace(create_dataset(manifest), shards=shards)
    batches = dataset.read_batches(epochs=1)
    with pytest.raises(errors.DataError, match=r'Record 2 \(from 0\) of .*/0\.tfrecord'):
        list(datasets.iterate(batches, 'somewhere', dataset.find_first_unreadable))


def test_a_tolerated_image_that_cannot_be_decoded_is_masked(manifest, whole, tmp_path):
    shards = copy_damaged(manifest, tmp_path, row=2)
    dataset = dataclasses.replace(create_dataset(manifest), shards=shards, tolerant=True)
    expected = whole[: 2 * count_batches(manifest)]
    batches = to_numpy(dataset.read_batches(epochs=2))
    missing = 0
    for batch, (images, labels, mask) in zip(batches, expected, strict=True):
        readable = batch[2].astype(bool)
        missing += int(mask.sum() - readable.sum())
        np.testing.assert_array_equal(batch[0][readable], images[readable])
        np.testing.assert_array_equal(batch[1][readable], labels[readable])
    assert missing == 2


def test_evaluation_masks_what_it_tolerates(manifest, tmp_path):
    skip_unless_jpeg(manifest)
    shards = copy_damaged(manifest, tmp_path, row=2)
    options = {'layout': manifest.layout, 'batch_size': 6}
    expected = to_numpy(datasets.evaluation_dataset(manifest.list_shards('train'), **options))
    batches = to_numpy(datasets.evaluation_dataset(shards, tolerant=True, **options))
    assert batches[0][2].tolist() == [1, 1, 0, 1, 1, 1]
    for values in batches[0][:2]:  # no black image of class 0: CutMix would show it to others
        np.testing.assert_array_equal(values[2], values[0])
    for batch, whole in zip(batches, expected, strict=True):
        readable = batch[2].astype(bool)
        np.testing.assert_array_equal(batch[0][readable], whole[0][readable])
        np.testing.assert_array_equal(batch[1][readable], whole[1][readable])


def check_share(whole, share, part, number):
    """The rows of a worker are a part of each batch."""
    for batch, own in zip(whole, share, strict=True):
        for expected, values in zip(batch, own, strict=True):
            np.testing.assert_array_equal(np.split(expected, number)[part], values)


def test_a_share_of_training_batches_is_a_part_of_the_whole_batches(manifest):
    """Each of two workers has its rows of the batches that one alone would have."""
    skip_unless_jpeg(manifest)

    def read(**attributes):
        dataset = dataclasses.replace(create_dataset(manifest), batch_size=4, **attributes)
        return to_numpy(dataset.read_batches(start=(0, 8), epochs=2))

    check_share(read(), read(share=(1, 2)), 1, 2)


def test_a_share_of_evaluation_batches_is_a_part_of_the_whole_batches(manifest):
    skip_unless_jpeg(manifest)
    whole = evaluate(manifest, 'train', batch_size=6)
    check_share(whole, evaluate(manifest, 'train', batch_size=6, share=(1, 3)), 1, 3)


def test_some_squares_are_those_of_evaluation(manifest):
    squares = np.concatenate([squares for squares, _, _ in evaluate(manifest, 'train')])
    indices = [11, 0, 5, 0]  # in shards of 5
    selected = datasets.read_squares(manifest.list_shards('train'), manifest.layout, indices)
    for index, square in zip(indices, selected, strict=True):
        np.testing.assert_array_equal(square, squares[index])
