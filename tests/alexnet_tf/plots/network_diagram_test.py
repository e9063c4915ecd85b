"""The diagram of the network shows its layers and what crosses between the columns."""

import pytest

pytest.importorskip('matplotlib')
from alexnet_tf.models import topology
from alexnet_tf.plots import charts, network_diagram

NODES = [
    topology.LayerNode('images', '', (8, 8, 3)),
    topology.LayerNode('conv1_a', 'a', (4, 4, 2), (3, 3, 3, 2), 56, reads=('images',)),
    topology.LayerNode('conv1_b', 'b', (4, 4, 2), (3, 3, 3, 2), 56, reads=('images',)),
    topology.LayerNode(
        *('conv2_a', 'a', (4, 4, 5), (3, 3, 4, 5), 185),
        reads=('conv1_a', 'conv1_b'),
        follows=('relu1', 'conv2_join'),
    ),
]


def test_rows_have_sizes_and_crossings():
    rows = [
        dict(zip(network_diagram.HEADER, row, strict=True))
        for row in network_diagram.list_rows(NODES)
    ]
    assert rows[3]['output'] == '4 x 4 x 5'
    assert rows[3]['kernel'] == '3 x 3 x 4 x 5'
    assert rows[3]['crosses'] == 'conv1_b'
    assert rows[2]['crosses'] == ''


def test_layers_are_boxes_and_crossing_arrows_are_orange():
    (axes,) = network_diagram.plot_network(NODES, {'a': '/GPU:0'}).axes
    texts = [text.get_text() for text in axes.texts]
    assert 'conv2_a\n4 x 4 x 5\n5 of\n3 x 3 x 4' in texts
    assert 'relu1' in texts
    assert 'column a: /GPU:0' in texts
    assert 'column b' in texts
    colours = [text.arrow_patch.get_edgecolor() for text in axes.texts if text.get_text() == '']
    assert len(colours) == 4
    orange = tuple(int(charts.COLOURS[1][at : at + 2], 16) / 255 for at in (1, 3, 5))
    assert [colour[:3] == pytest.approx(orange) for colour in colours].count(True) == 1
    assert axes.get_title() == '297 parameters; orange crosses between the columns'
