"""The image of the kernels, pixel by pixel where it matters, and their colourfulness."""

import numpy as np
import pytest

from alexnet_tf.plots import kernels


def test_each_kernel_is_rendered_in_its_place():
    columns = [np.zeros((11, 11, 3, 48)), np.zeros((11, 11, 3, 48))]
    columns[0][..., 0] = -1.0
    columns[1][..., 17] = 1.0
    image = kernels.render_kernels(columns)
    assert image.shape == (4 * 2 * (3 * 12 + 1), 4 * (16 * 12 + 1), 3)
    assert image.dtype == np.uint8

    def centre(row, column):
        return image[4 * (12 * row + 6 + row // 3), 4 * (12 * column + 6)].tolist()

    assert centre(0, 0) == [0, 0, 0]
    assert centre(0, 1) == [128, 128, 128]
    assert centre(4, 1) == [255, 255, 255]  # b's second row
    assert image[0, 0].tolist() == [255, 255, 255]  # between kernels


def test_few_and_constant_kernels_are_rendered():
    image = kernels.render_kernels([np.zeros((11, 11, 3, 5))])
    assert image.shape == (4 * 13, 4 * (5 * 12 + 1), 3)


def test_colourfulness_is_the_share_of_energy_that_is_not_grey():
    grey = np.repeat(np.random.default_rng(0).normal(size=(11, 11, 1, 4)), 3, axis=2)
    np.testing.assert_allclose(kernels.compute_colourfulness(grey), 0, atol=1e-12)
    opposed = np.concatenate([grey[:, :, :1], -grey[:, :, :1], 0 * grey[:, :, :1]], axis=2)
    np.testing.assert_allclose(kernels.compute_colourfulness(opposed), 1, atol=1e-12)
    noise = np.random.default_rng(1).normal(size=(11, 11, 3, 500))
    assert kernels.compute_colourfulness(noise).mean() == pytest.approx(2 / 3, abs=0.01)


def test_specialisation_is_distinguished_from_chance():
    rng = np.random.default_rng(0)
    same = [(rng.random(48), rng.random(48)) for _ in range(3)]
    different = [(a, 0.3 + 0.7 * b) for a, b in same]
    different[1] = different[1][::-1]  # whichever column it is
    assert kernels.measure_specialisation(same)[1] > 0.01
    assert kernels.measure_specialisation(different)[1] < 0.01


def test_p_approximates_that_of_all_permutations():
    """With two kernels a column, two of the six deals differ as much as the observed one."""
    difference, p = kernels.measure_specialisation([(np.array([0.0, 1.0]), np.array([10.0, 11.0]))])
    assert difference == 10
    assert p == pytest.approx(2 / 6, abs=0.02)
