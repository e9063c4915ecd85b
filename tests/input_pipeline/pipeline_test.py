"""Batches: each example once an epoch, and the same stream after any restart."""

import numpy as np
import pytest

from input_pipeline import convert, errors, pipeline, records
from input_pipeline.sources import folder as folders

BATCH = 5


@pytest.fixture(scope='module', params=['jpeg', 'raw'])
def manifest(request, shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.4)
    settings = {'record_encoding': request.param, 'shard_examples': 5, 'seed': 0}
    return convert.prepare(
        found,
        str(tmp_path_factory.mktemp('records')),
        settings=settings,
        max_bad_fraction=0,
        report=lambda *_: None,
    )


def stream(manifest, *, start=(0, 0), epochs=3, seed=0):
    made = records.statistics(manifest)
    augment = pipeline.Augment(
        made['mean_image'],
        made['eigenvalues'],
        made['eigenvectors'],
        crop_size=224,
        shift_sd=0.1,
        divisor=1.0,
    )
    batches = pipeline.training(
        manifest.shards('train'),
        record_encoding=manifest.record_encoding,
        augment=augment,
        batch_size=BATCH,
        seed=seed,
        start=start,
        epochs=epochs,
    )
    return [tuple(part.numpy() for part in batch) for batch in batches]


def examples(batches):
    return [
        (image, label)
        for images, labels, mask in batches
        for image, label, counts in zip(images, labels, mask, strict=True)
        if counts
    ]


def test_shapes_and_masks(manifest):
    total = manifest.examples('train')
    assert total % BATCH  # so that the last batch is filled up
    batches = stream(manifest, epochs=1)
    assert {images.shape for images, _, _ in batches} == {(BATCH, 224, 224, 3)}
    assert [int(mask.sum()) for _, _, mask in batches] == [BATCH] * (total // BATCH) + [
        total % BATCH
    ]
    last = batches[-1]
    assert not last[0][total % BATCH :].any()


def test_each_class_comes_as_often_as_it_is_stored(manifest):
    by_epoch = np.array([label for _, label in examples(stream(manifest, epochs=3))])
    by_epoch = by_epoch.reshape(3, -1)
    stored = [label for _, label in examples(evaluation(manifest, 'train'))]
    for epoch in by_epoch:
        assert sorted(epoch) == sorted(stored)
    assert (by_epoch[0] != by_epoch[1]).any()


def evaluation(manifest, split):
    batches = pipeline.evaluation(
        manifest.shards(split), record_encoding=manifest.record_encoding, batch_size=BATCH
    )
    return [tuple(part.numpy() for part in batch) for batch in batches]


def test_a_resumed_stream_is_the_uninterrupted_one(manifest):
    whole, total = examples(stream(manifest)), manifest.examples('train')
    for epoch in range(3):
        for seen in range(0, total, BATCH):
            resumed = examples(stream(manifest, start=(epoch, seen)))
            expected = whole[epoch * total + seen :]
            assert len(resumed) == len(expected)
            for (image, label), (wanted, its_label) in zip(resumed, expected, strict=True):
                assert label == its_label
                np.testing.assert_array_equal(image, wanted)


def test_pixels_are_grey_levels_minus_the_mean(manifest):
    images = np.concatenate([images for images, _, _ in stream(manifest, epochs=1)[:-1]])
    assert images.dtype == np.float32
    assert images.std() > 10
    assert abs(images.mean()) < 10
    assert -330 < images.min() < -20
    assert 20 < images.max() < 330


def test_seeds_give_other_streams(manifest):
    first, other = stream(manifest, epochs=1), stream(manifest, epochs=1, seed=1)
    assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True))


def test_evaluation_holds_every_example_once(manifest):
    found = examples(evaluation(manifest, 'validation'))
    assert len(found) == manifest.examples('validation')
    assert len({image.tobytes() for image, _ in found}) == len(found)


def test_a_shard_of_another_length_is_bad_data(manifest):
    short = [(path, number + 1) for path, number in manifest.shards('validation')]
    batches = pipeline.evaluation(short, record_encoding=manifest.record_encoding, batch_size=BATCH)
    with pytest.raises(errors.DataError, match='a record cannot be read'):
        list(pipeline.read(batches, 'somewhere'))
