"""Two devices in use: the graphs that ran on each, after placement and optimisation."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.fidelity import device_traffic
from alexnet_tf.models import alexnet, recipes
from alexnet_tf.training import loss_scale, optimizer, steps

BATCH, CLASSES = 4, 7
KERNELS = {
    'convolutions': ('Conv2D', 5),
    "their weights' gradients": ('Conv2DBackpropFilter', 5),
    # conv1 needs no gradient of its input.
    "their inputs' gradients": ('Conv2DBackpropInput', 4),
    'poolings': ('MaxPool', 3),
    "poolings' gradients": ('MaxPoolGrad', 3),
}


@functools.cache
def run_step(name, precision, compiled):
    recipe = recipes.RECIPES[name].replace(crop_size=67)
    model = alexnet.build(
        recipe,
        num_classes=CLASSES,
        width=0.125,
        devices=('/CPU:0', '/CPU:1'),
        precision=precision,
        compiled=compiled,
    )
    sgd = optimizer.PaperSGD()
    sgd.build(model.trainable_variables)
    scale = loss_scale.LossScale() if precision == 'float16' else None
    learn = steps.create_training_step(model, sgd, scale)
    images = tf.zeros((BATCH, 67, 67, 3), model.input.dtype)
    batch = images, tf.constant(np.arange(BATCH)), tf.ones(BATCH)
    graphs = device_traffic.run_and_partition(learn, *batch)
    return model, sgd, graphs, device_traffic.list_transfers(graphs, learn, *batch)


@pytest.fixture(
    scope='module',
    params=[pytest.param(False, marks=pytest.mark.slow), True],
    ids=['not compiled', 'compiled'],
)
def paper(request):
    return run_step('paper', 'float32', request.param)


def get_kernel(node):
    """Returns Conv2D for _MklNativeFusedConv2D and the like."""
    return node.op.removeprefix('_Mkl').removeprefix('Native').replace('Fused', '').strip('_')


@pytest.mark.parametrize('kind', KERNELS)
def test_each_column_computes_on_its_own_device(paper, kind):
    kernel, number = KERNELS[kind]
    _, _, graphs, _ = paper
    assert len(graphs) == 2
    for at, graph in zip('ab', graphs, strict=True):
        names = [node.name for node in graph.node if get_kernel(node).startswith(kernel)]
        names = [
            name
            for name in names
            if get_kernel_by_name(graph, name) in (kernel, f'{kernel}WithBias')
        ]
        assert len(names) == number, names
        other = {'a': '_b', 'b': '_a'}[at]
        assert not [name for name in names if f'{other}_1/' in name], names


def get_kernel_by_name(graph, name):
    return next(get_kernel(node) for node in graph.node if node.name == name)


@pytest.mark.parametrize('layer', ['norm1', 'norm2'])
@pytest.mark.parametrize('prefix', ['alexnet_1/', 'gradients/'])
def test_each_column_normalises_on_its_own_device(paper, layer, prefix):
    _, _, graphs, _ = paper
    for at, graph in zip('ab', graphs, strict=True):
        own = [
            node.name
            for node in graph.node
            if node.name.startswith(prefix) and node.op not in ('Const', '_Send', '_Recv')
        ]
        assert [name for name in own if f'/{layer}_{at}_1/' in name]
        assert not [name for name in own if f'/{layer}_{"ba"["ab".index(at)]}_1/' in name]


def test_velocities_and_updates_are_on_the_device_of_their_weights(paper):
    model, sgd, graphs, _ = paper
    for variable, velocity in zip(model.trainable_variables, sgd.velocities, strict=True):
        assert variable.value.device == velocity.value.device
        assert ('CPU:1' in variable.value.device) == ('_b/' in variable.path)
    updates = [
        sum(node.op == 'ResourceApplyKerasMomentum' for node in graph.node) for graph in graphs
    ]
    assert updates == [16, 14]  # seven layers a column, and fc8


def expected_bytes(maps, hidden, bytes_each):
    """Returns the bytes that one column sends the other in a forward pass, by layer."""
    side2, side5 = 3, 1  # of a crop of 67
    sizes = {'pool2': side2**2 * maps, 'pool5': side5**2 * maps, 'fc6': hidden, 'fc7': hidden}
    return {name: size * BATCH * bytes_each for name, size in sizes.items()}


@pytest.mark.parametrize(
    ('name', 'precision'),
    [
        ('paper', 'float32'),
        pytest.param('source2012', 'float32', marks=pytest.mark.slow),
        pytest.param('paper', 'bfloat16', marks=pytest.mark.slow),
        pytest.param('paper', 'float16', marks=pytest.mark.slow),
    ],
)
def test_only_the_papers_outputs_and_gradients_cross(name, precision):
    """Outputs of pool2, pool5, fc6, fc7 and their gradients; besides, column b reads the images.

    Single values cross, too: sums of gradients' squares, which show whether all are finite; the
    batch's count; the loss scale of float16; the learning rate, in float64.
    """
    _, _, _, transfers = run_step(name, precision, True)
    transfers = [transfer for transfer in transfers if transfer.num_bytes > 8]
    size = expected_bytes(16, 256, 4 if precision == 'float32' else 2)
    forward = {'pool2': 'pool2', 'pool5': 'pool5_flat', 'fc6': 'drop6', 'fc7': 'drop7'}
    backward = {'pool2': 'conv3_join', 'pool5': 'fc6_join', 'fc6': 'fc7_join', 'fc7': 'fc8_join'}
    expected = set()
    for at, source, target in [('a', 'CPU:0', 'CPU:1'), ('b', 'CPU:1', 'CPU:0')]:
        for layer in forward:
            # fc8 is on a's device: b's fc7 goes there, and its gradient comes back.
            if (layer, at) != ('fc7', 'a'):
                expected.add((forward[layer], at, source, target, size[layer]))
            if (layer, at) != ('fc7', 'b'):
                expected.add((backward[layer], at, source, target, size[layer]))
    images = [transfer for transfer in transfers if transfer.tensor == 'images']
    assert [(transfer.source, transfer.target) for transfer in images] == [('CPU:0', 'CPU:1')]
    actual = set()
    for transfer in set(transfers) - set(images):
        layer, at = (
            transfer.tensor.removeprefix('gradients/').split('/')[1].split('_1')[0].rsplit('_', 1)
        )
        actual.add((layer, at, transfer.source, transfer.target, transfer.num_bytes))
    assert actual == expected


@pytest.mark.slow
def test_caffes_normalisation_sends_only_the_seam():
    _, _, _, transfers = run_step('caffe', 'float32', True)
    seams = [
        transfer
        for transfer in transfers
        if 'norm1_seam' in transfer.tensor and 'grad' not in transfer.tensor
    ]
    assert [seam.num_bytes for seam in seams] == [15 * 15 * 2 * BATCH * 4] * 2


@pytest.mark.slow
def test_functions_that_ran_between_two_traces_are_not_taken_for_the_step():
    run_step('paper', 'float32', True)
    recipe = recipes.PAPER.replace(crop_size=67)
    larger = alexnet.build(
        recipe, num_classes=CLASSES, width=0.125, precision='float16', devices=('/CPU:0', '/CPU:1')
    )
    sgd = optimizer.PaperSGD()
    sgd.build(larger.trainable_variables)
    learn = steps.create_training_step(larger, sgd)
    learn(tf.zeros((BATCH, 67, 67, 3)), tf.constant(np.arange(BATCH)), tf.ones(BATCH))
    _, _, graphs, _ = run_step.__wrapped__('paper', 'float32', True)
    dtypes = {node.attr['T'].type for graph in graphs for node in graph.node if node.op == '_Send'}
    assert tf.float16.as_datatype_enum not in dtypes
