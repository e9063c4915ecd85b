"""The kernel picture, pixel by pixel where it matters."""

import numpy as np

from alexnet_tf.reporting import kernels


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
