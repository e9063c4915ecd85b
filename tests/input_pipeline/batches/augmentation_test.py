"""Random crops, mirrors and shifts against their distribution and a NumPy computation."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import augmentation

VARIANCES = np.array([30.0, 10.0, 3.0]) ** 2 * 100  # a tenth of the deviations is drawn


def made(**more):
    given = {'crop_size': 224, 'shift_sd': 0.1, **more}
    mean = np.full((256, 256, 3), 99, np.float32)
    return augmentation.Augmentation(mean, VARIANCES, np.eye(3), **given)


def draws(number, *, seed=0, epoch=0):
    indices = tf.range(number, dtype=tf.int64)
    drawn = made().draw(indices, indices, seed=seed, epochs=tf.fill([number], np.int64(epoch)))
    return [each.numpy() for each in (drawn.rows, drawn.columns, drawn.mirrored, drawn.shifts)]


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


def test_without_random_crops_the_middle_is_seen_as_it_is():
    indices = tf.range(50, dtype=tf.int64)
    drawn = made(random_crops=False).draw(indices, indices, seed=0, epochs=indices)
    assert set(drawn.rows.numpy()) == set(drawn.columns.numpy()) == {16}
    assert not drawn.mirrored.numpy().any()
    expected = made().draw(indices, indices, seed=0, epochs=indices)
    np.testing.assert_array_equal(drawn.shifts, expected.shifts)


def test_shifts_have_the_components_deviations():
    shifts = draws(20_000)[3]
    np.testing.assert_allclose(shifts.mean(axis=0), 0, atol=1)
    np.testing.assert_allclose(np.cov(shifts.T), np.diag(VARIANCES) / 100, rtol=0.05, atol=6)


def test_draws_depend_on_seed_and_epoch_and_nothing_else():
    first = draws(50)
    for again, before in zip(draws(50), first, strict=True):
        np.testing.assert_array_equal(again, before)
    for other in (draws(50, seed=1), draws(50, epoch=1)):
        assert np.mean(other[0] == first[0]) < 0.2
        assert np.mean(other[3] == first[3]) == 0


def test_draws_of_one_example_do_not_depend_on_its_company():
    together = draws(40)
    for at in (0, 7, 39):
        index = tf.constant([at], tf.int64)
        alone = made().draw(index, index * 0, seed=0, epochs=tf.zeros_like(index))
        assert alone.rows[0] == together[0][at]
        np.testing.assert_array_equal(alone.shifts[0], together[3][at])


@pytest.mark.parametrize('divisor', [1.0, 1.1])
def test_what_is_done_equals_numpy(divisor):
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (5, 20, 20, 3), np.uint8)
    mean = random.uniform(0, 255, (256, 256, 3)).astype(np.float32)
    shifts = random.normal(0, 20, (5, 3)).astype(np.float32)
    mirrored = np.array([True, False, True, True, False])
    scales = np.full(5, 1 / divisor, np.float32)
    augment = augmentation.Augmentation(
        mean, np.ones(3), np.eye(3), crop_size=20, shift_sd=0.1, divisor=divisor
    )
    expected = (crops - mean[118:138, 118:138] + shifts[:, None, None]) / divisor
    np.testing.assert_allclose(augment.finish(crops, shifts, scales), expected, atol=1e-4)
    flipped = np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
    expected = (flipped - mean[118:138, 118:138] + shifts[:, None, None]) / divisor
    on_device = augment.finish_on_device(crops, mirrored, shifts, scales)
    np.testing.assert_allclose(on_device, expected, atol=1e-4)


def test_the_shift_ends_with_its_epochs():
    """After them a picture is neither shifted nor divided."""
    indices = tf.zeros([4], tf.int64)
    augment = made(divisor=1.1, shift_epochs=2)
    drawn = augment.draw(indices, indices, seed=0, epochs=tf.range(4, dtype=tf.int64))
    np.testing.assert_allclose(drawn.scales, [1 / 1.1, 1 / 1.1, 1, 1], rtol=1e-6)
    assert (np.abs(drawn.shifts) > 0).all(axis=1).tolist() == [True, True, False, False]
    assert not np.any(drawn.shifts[2:])


def test_without_a_shift_there_is_no_division():
    indices = tf.zeros([1], tf.int64)
    drawn = made(divisor=1.1, shift_sd=0.0).draw(indices, indices, seed=0, epochs=indices)
    assert drawn.scales.numpy() == [1]
    assert not np.any(drawn.shifts)
