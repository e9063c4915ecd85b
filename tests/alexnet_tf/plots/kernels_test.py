"""The kernel picture, pixel by pixel where it matters."""

import numpy as np
import pytest

from alexnet_tf.plots import kernels


def test_each_kernel_is_in_its_place():
    columns = [np.zeros((11, 11, 3, 48)), np.zeros((11, 11, 3, 48))]
    columns[0][..., 0] = -1.0
    columns[1][..., 17] = 1.0
    made = kernels.picture(columns)
    assert made.shape == (4 * 2 * (3 * 12 + 1), 4 * (16 * 12 + 1), 3)
    assert made.dtype == np.uint8

    def middle(row, column):
        return made[4 * (12 * row + 6 + row // 3), 4 * (12 * column + 6)].tolist()

    assert middle(0, 0) == [0, 0, 0]
    assert middle(0, 1) == [128, 128, 128]
    assert middle(4, 1) == [255, 255, 255]  # b's second row
    assert made[0, 0].tolist() == [255, 255, 255]  # between kernels


def test_few_kernels_and_flat_ones_are_drawn():
    made = kernels.picture([np.zeros((11, 11, 3, 5))])
    assert made.shape == (4 * 13, 4 * (5 * 12 + 1), 3)


def test_colour_is_what_is_not_grey():
    grey = np.repeat(np.random.default_rng(0).normal(size=(11, 11, 1, 4)), 3, axis=2)
    np.testing.assert_allclose(kernels.colourfulness(grey), 0, atol=1e-12)
    opposed = np.concatenate([grey[:, :, :1], -grey[:, :, :1], 0 * grey[:, :, :1]], axis=2)
    np.testing.assert_allclose(kernels.colourfulness(opposed), 1, atol=1e-12)
    noise = np.random.default_rng(1).normal(size=(11, 11, 3, 500))
    assert kernels.colourfulness(noise).mean() == pytest.approx(2 / 3, abs=0.01)


def test_specialisation_is_told_from_chance():
    random = np.random.default_rng(0)
    same = [(random.random(48), random.random(48)) for _ in range(3)]
    apart = [(a, 0.3 + 0.7 * b) for a, b in same]
    apart[1] = apart[1][::-1]  # whichever column it is
    assert kernels.specialisation(same)[1] > 0.01
    assert kernels.specialisation(apart)[1] < 0.01


def test_its_p_is_that_of_all_deals():
    """Two kernels a column: of the six deals, two are as far apart as what was found."""
    found = kernels.specialisation([(np.array([0.0, 1.0]), np.array([10.0, 11.0]))])
    assert found[0] == 10
    assert found[1] == pytest.approx(2 / 6, abs=0.02)
