"""The topology of a built network is the paper's."""

from alexnet_tf.models import alexnet, recipes, topology


def test_columns_cross_where_the_paper_says():
    """Figure 2: conv3, fc6 and fc7 read both columns; fc8 belongs to neither."""
    model = alexnet.build(recipes.PAPER, num_classes=10, width=0.1)
    nodes = topology.list_nodes(model)
    crossing = {target for _, target in topology.find_crossings(nodes)}
    assert crossing == {f'{name}_{at}' for name in ('conv3', 'fc6', 'fc7') for at in 'ab'}
    by_name = {node.name: node for node in nodes}
    assert by_name['conv2_a'].reads == ('conv1_a',)
    assert by_name['conv2_a'].follows == ('relu1', 'norm1', 'pool1')
    assert by_name['fc8'].reads == ('fc7_a', 'fc7_b')
    assert sum(node.parameters for node in nodes) == model.count_params()


def test_a_batch_normalisation_is_of_the_layer_before_it():
    model = alexnet.build(recipes.MODERN, num_classes=10, width=0.1)
    layers = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8']
    assert topology.list_layer_names(model) == layers
    (gamma,) = (v for v in model.variables if v.path == 'conv1_batch_norm_b/gamma')
    assert topology.get_layer_name(gamma) == 'conv1'
    assert topology.get_layer_name(gamma, with_column=True) == 'conv1_batch_norm_b'
