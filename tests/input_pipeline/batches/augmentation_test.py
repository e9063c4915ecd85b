"""Random crops, mirrors and colour shifts against their distribution and a NumPy computation."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import augmentation
from input_pipeline.records import manifests

VARIANCES = np.array([30.0, 10.0, 3.0]) ** 2 * 100  # a tenth of the standard deviations is sampled


def create(mean=None, eigenvalues=VARIANCES, **settings):
    statistics = manifests.ImageStatistics(
        mean_image=np.full((256, 256, 3), 99, np.float32) if mean is None else mean,
        covariance=np.diag(eigenvalues),
        eigenvalues=eigenvalues,
        eigenvectors=np.eye(3),
    )
    settings = {'crop_size': 224, 'colour_shift_sd': 0.1} | settings
    return augmentation.Augmentation(statistics, augmentation.AugmentationSettings(**settings))


def sample(number, *, seed=0, epoch=0):
    """Rows, columns, mirrors and shifts of the first examples."""
    indices = tf.range(number, dtype=tf.int64)
    epochs = tf.fill([number], np.int64(epoch))
    parameters = create().sample(indices, indices, seed=seed, epochs=epochs)
    rows, columns, _, _ = tf.unstack(parameters.windows, axis=1)
    parts = (rows, columns, parameters.mirrored, parameters.shifts)
    return [part.numpy() for part in parts]


def test_all_offsets_and_both_mirrors_are_equally_likely():
    rows, columns, mirrored, _ = sample(20_000)
    for offsets in (rows, columns):
        counts = np.bincount(offsets, minlength=33)
        assert len(counts) == 33
        # 606 expected, sd 24
        assert counts.min() > 480
        assert counts.max() < 730
    assert mirrored.mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.03
    assert abs(np.corrcoef(rows, mirrored)[0, 1]) < 0.03


def test_without_random_crops_every_crop_is_central_and_not_mirrored():
    indices = tf.range(50, dtype=tf.int64)
    parameters = create(random_crops=False).sample(indices, indices, seed=0, epochs=indices)
    np.testing.assert_array_equal(parameters.windows, [[16, 16, 224, 224]] * 50)
    assert not parameters.mirrored.numpy().any()
    expected = create().sample(indices, indices, seed=0, epochs=indices)
    np.testing.assert_array_equal(parameters.shifts, expected.shifts)


def test_colour_shifts_have_the_deviations_of_the_components():
    shifts = sample(20_000)[3]
    np.testing.assert_allclose(shifts.mean(axis=0), 0, atol=1)
    np.testing.assert_allclose(np.cov(shifts.T), np.diag(VARIANCES) / 100, rtol=0.05, atol=6)


def sample_resized(number, **settings):
    indices = tf.range(number, dtype=tf.int64)
    augment = create(min_crop_area=0.25, crop_size=64, **settings)
    parameters = augment.sample(indices, indices, seed=0, epochs=tf.zeros_like(indices))
    return parameters, parameters.windows.numpy().T


def test_resized_windows_have_every_area_aspect_and_place_alike():
    _, (rows, columns, heights, widths) = sample_resized(20_000)
    assert min(rows.min(), columns.min()) == 0
    assert (rows + heights).max() == (columns + widths).max() == 256
    ratio = widths / heights
    inside = np.maximum(heights, widths) < 256  # windows that the image does not cut
    area = heights * widths / 256**2
    assert area.min() == pytest.approx(0.25, abs=0.01)
    assert area[inside].max() < 1
    # Of uniformly distributed areas a third lies below 0.5; of ratios, half below 1.
    assert np.mean(area < 0.5) == pytest.approx(1 / 3, abs=0.02)
    assert np.mean(np.log(ratio[inside]) < 0) == pytest.approx(0.5, abs=0.02)
    assert ratio[inside].max() == pytest.approx(4 / 3, rel=0.02)
    assert ratio[inside].min() == pytest.approx(3 / 4, rel=0.02)
    share = rows[inside] / (256 - heights[inside])
    assert np.histogram(share, 4, (0, 1))[0].min() > 0.22 * inside.sum()


def test_without_random_crops_a_resized_window_is_the_view():
    _, windows = sample_resized(10, random_crops=False, view_size=200)
    assert np.unique(windows, axis=1).ravel().tolist() == [28, 28, 200, 200]


def test_the_contrast_changes_by_up_to_its_share_and_only_then():
    parameters, _ = sample_resized(4000, contrast=0.2, colour_shift_sd=0.0)
    scales = parameters.scales.numpy()
    assert scales.min() == pytest.approx(0.8, abs=0.01)
    assert scales.max() == pytest.approx(1.2, abs=0.01)
    assert scales.mean() == pytest.approx(1, abs=0.01)
    assert set(sample_resized(10)[0].scales.numpy()) == {1}


def test_parameters_depend_on_seed_and_epoch_and_nothing_else():
    first = sample(50)
    for repeated, expected in zip(sample(50), first, strict=True):
        np.testing.assert_array_equal(repeated, expected)
    for other in (sample(50, seed=1), sample(50, epoch=1)):
        assert np.mean(other[0] == first[0]) < 0.2
        assert np.mean(other[3] == first[3]) == 0


def test_parameters_of_an_example_do_not_depend_on_its_neighbours():
    together = sample(40)
    for row in (0, 7, 39):
        index = tf.constant([row], tf.int64)
        alone = create().sample(index, index * 0, seed=0, epochs=tf.zeros_like(index))
        assert alone.windows[0, 0] == together[0][row]
        np.testing.assert_array_equal(alone.shifts[0], together[3][row])


@pytest.mark.parametrize('divisor', [1.0, 1.1])
def test_finished_crops_equal_a_numpy_computation(divisor):
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (5, 20, 20, 3), np.uint8)
    mean = random.uniform(0, 255, (256, 256, 3)).astype(np.float32)
    shifts = random.normal(0, 20, (5, 3)).astype(np.float32)
    mirrored = np.array([True, False, True, True, False])
    scales = np.full(5, 1 / divisor, np.float32)
    augment = create(mean, np.ones(3), crop_size=20, colour_shift_divisor=divisor)
    expected = (crops - mean[118:138, 118:138] + shifts[:, None, None]) / divisor
    np.testing.assert_allclose(augment.finish(crops, shifts, scales), expected, atol=1e-4)
    flipped = np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
    expected = (flipped - mean[118:138, 118:138] + shifts[:, None, None]) / divisor
    on_device = augment.finish_on_device(crops, mirrored, shifts, scales)
    np.testing.assert_allclose(on_device, expected, atol=1e-4)


def test_images_are_neither_shifted_nor_divided_after_the_shift_epochs():
    indices = tf.zeros([4], tf.int64)
    augment = create(colour_shift_divisor=1.1, colour_shift_epochs=2)
    epochs = tf.range(4, dtype=tf.int64)
    parameters = augment.sample(indices, indices, seed=0, epochs=epochs)
    np.testing.assert_allclose(parameters.scales, [1 / 1.1, 1 / 1.1, 1, 1], rtol=1e-6)
    is_shifted = (np.abs(parameters.shifts) > 0).all(axis=1)
    assert is_shifted.tolist() == [True, True, False, False]
    assert not np.any(parameters.shifts[2:])


def test_without_a_colour_shift_nothing_is_divided():
    index = tf.zeros([1], tf.int64)
    augment = create(colour_shift_divisor=1.1, colour_shift_sd=0.0)
    parameters = augment.sample(index, index, seed=0, epochs=index)
    assert parameters.scales.numpy() == [1]
    assert not np.any(parameters.shifts)


def test_colour_shifts_have_the_covariance_of_the_images():
    """A hundredth of it, for a tenth of the deviations, whatever the directions are."""
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    covariance = rotation @ np.diag(VARIANCES) @ rotation.T
    statistics = manifests.ImageStatistics(
        mean_image=np.full((256, 256, 3), 99, np.float32),
        covariance=covariance,
        eigenvalues=VARIANCES,
        eigenvectors=rotation,
    )
    settings = augmentation.AugmentationSettings(crop_size=224, colour_shift_sd=0.1)
    augment = augmentation.Augmentation(statistics, settings)
    indices = tf.range(20_000, dtype=tf.int64)
    epochs = tf.zeros([20_000], tf.int64)
    shifts = augment.sample(indices, indices, seed=0, epochs=epochs).shifts.numpy()
    largest = VARIANCES.max() / 100
    np.testing.assert_allclose(np.cov(shifts.T), covariance / 100, atol=0.03 * largest)
