"""Kernels of other layouts, element by element."""

import numpy as np
import pytest

from alexnet_tf.models.weights import layouts, mapping

MAPS = (2, 3, 4)  # rows, columns, channels
RANDOM = np.random.default_rng(0)
SHAPES = {'OIHW': (4, 3, 5, 5), 'HWIO': (5, 5, 3, 4), 'OI': (6, 24), 'IO': (24, 6)}


@pytest.mark.parametrize('layout', layouts.LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize('layer', ['conv1', 'conv2', 'fc6', 'fc7'])
def test_a_round_trip_through_a_layout_is_exact(layout, layer):
    axes = layout.convolution if layer.startswith('conv') else layout.dense
    kernel = RANDOM.normal(size=SHAPES[axes])
    ours = mapping.from_layout(layout, layer, kernel, MAPS)
    np.testing.assert_array_equal(mapping.to_layout(layout, layer, ours, MAPS), kernel)


def test_convolutions_of_caffe_read_bgr():
    kernel = RANDOM.normal(size=(4, 3, 5, 5))
    ours = mapping.from_layout(layouts.CAFFE, 'conv1', kernel, MAPS)
    for o, i, y, x in ((0, 0, 1, 2), (3, 1, 0, 4), (2, 2, 3, 3)):
        assert ours[y, x, 2 - i, o] == kernel[o, i, y, x]
    ours = mapping.from_layout(layouts.TORCHVISION, 'conv1', kernel, MAPS)
    assert ours[1, 2, 0, 3] == kernel[3, 0, 1, 2]


def test_fc6_of_torchvision_reads_map_by_map():
    kernel = RANDOM.normal(size=(6, 24))
    ours = mapping.from_layout(layouts.TORCHVISION, 'fc6', kernel, MAPS)
    for row in range(2):
        for column in range(3):
            for channel in range(4):
                np.testing.assert_array_equal(
                    ours[(row * 3 + column) * 4 + channel],
                    kernel[:, (channel * 2 + row) * 3 + column],
                )


def test_fc6_reads_one_column_and_then_the_other():
    kernel, bias = RANDOM.normal(size=(24, 6)), RANDOM.normal(size=6)
    parts = mapping.split('fc6', kernel, bias, 2, MAPS)
    for row in range(2):
        for across in range(3):
            for channel in range(4):
                column, own = divmod(channel, 2)
                source = kernel[(row * 3 + across) * 4 + channel]
                place = column * 12 + (row * 3 + across) * 2 + own
                np.testing.assert_array_equal(parts[0][0][place], source[:3])
                np.testing.assert_array_equal(parts[1][0][place], source[3:])


def test_older_caffe_has_four_dimensions_everywhere():
    kernel = RANDOM.normal(size=(1, 1, 6, 24))
    ours = mapping.from_layout(layouts.CAFFE, 'fc7', kernel, MAPS)
    np.testing.assert_array_equal(ours, kernel[0, 0].T)
