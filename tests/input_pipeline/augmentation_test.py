"""Random crops, mirrors and shifts against their distribution and a NumPy computation."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import augmentation, pipeline

COMPONENTS = np.diag([30.0, 10.0, 3.0]).astype(np.float32)


def draws(number, *, seed=0, epoch=0, border=32):
    def one(index):
        drawn = augmentation.draw(
            index, tf.constant(COMPONENTS), seed=seed, epoch=tf.constant(epoch, tf.int64),
            border=border,
        )  # fmt: skip
        return drawn.row, drawn.column, drawn.mirrored, drawn.shift

    made = tf.data.Dataset.range(number).map(one).batch(number).get_single_element()
    return [each.numpy() for each in made]


def test_every_offset_and_both_sides_are_as_likely():
    rows, columns, mirrored, _ = draws(20_000)
    for offsets in (rows, columns):
        counts = np.bincount(offsets, minlength=33)
        assert len(counts) == 33
        # 606 expected, sd 24
        assert counts.min() > 480
        assert counts.max() < 730
    assert mirrored.mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.03
    assert abs(np.corrcoef(rows, mirrored)[0, 1]) < 0.03


def test_shifts_have_the_components_deviations():
    shifts = draws(20_000)[3]
    np.testing.assert_allclose(shifts.mean(axis=0), 0, atol=1)
    np.testing.assert_allclose(np.cov(shifts.T), COMPONENTS**2, rtol=0.05, atol=6)


def test_draws_depend_on_seed_and_epoch_and_nothing_else():
    first = draws(50)
    for again, before in zip(draws(50), first, strict=True):
        np.testing.assert_array_equal(again, before)
    for other in (draws(50, seed=1), draws(50, epoch=1)):
        assert np.mean(other[0] == first[0]) < 0.2
        assert np.mean(other[3] == first[3]) == 0


@pytest.mark.parametrize('mirrored', [False, True])
@pytest.mark.parametrize('divisor', [1.0, 1.1])
def test_apply_equals_numpy(mirrored, divisor):
    random = np.random.default_rng(0)
    crop = random.integers(0, 256, (20, 20, 3), np.uint8)
    mean = random.uniform(0, 255, (20, 20, 3)).astype(np.float32)
    shift = np.array([5.0, -3.0, 40.0], np.float32)
    drawn = augmentation.Draw(None, None, tf.constant(mirrored), tf.constant(shift))
    made = augmentation.apply(tf.constant(crop), drawn, mean, divisor)
    source = crop[:, ::-1] if mirrored else crop
    np.testing.assert_allclose(made, (source - mean + shift) / divisor, atol=1e-4)


def test_the_shift_ends_with_its_epochs():
    """After them a picture is neither shifted nor divided."""
    picture = tf.constant(np.full((256, 256, 3), 110, np.uint8).tobytes())
    index = tf.constant(5, tf.int64)
    augment = pipeline.Augment(
        np.full((256, 256, 3), 99, np.float32),
        np.array([900.0, 100.0, 9.0]),
        np.eye(3),
        crop_size=8,
        shift_sd=0.1,
        divisor=1.1,
        shift_epochs=2,
    )
    seen = [
        augment(picture, index, tf.constant(epoch, tf.int64), 0, 'raw').numpy()
        for epoch in range(4)
    ]
    for epoch in (0, 1):
        assert np.abs(np.unique(seen[epoch]) - 11).min() > 1e-3
    for epoch in (2, 3):
        np.testing.assert_array_equal(seen[epoch], 11)
