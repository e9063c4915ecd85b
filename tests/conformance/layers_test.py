"""What every layer keeps, and that none is left out."""

import importlib
import inspect
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import layers
from alexnet_tf.models.layers import dropout, locally_connected, lrn, on_device

MAPS = (7, 7, 6)
CASES = {
    on_device.Conv2D: ({'filters': 4, 'kernel_size': 3}, MAPS),
    on_device.ZeroPadding2D: ({'padding': ((0, 3), (0, 3))}, MAPS),
    on_device.MaxPooling2D: ({'pool_size': 3, 'strides': 2}, MAPS),
    on_device.AveragePooling2D: ({'pool_size': 3, 'strides': 2}, MAPS),
    on_device.ReLU: ({}, MAPS),
    on_device.Activation: ({'activation': 'tanh'}, MAPS),
    on_device.Concatenate: ({}, [MAPS, MAPS]),
    on_device.ChannelSlice: ({'start': 1, 'stop': 3}, MAPS),
    on_device.Flatten: ({}, MAPS),
    on_device.Dense: ({'units': 3}, (12,)),
    locally_connected.LocallyConnected2D: ({'filters': 4, 'kernel_size': 3}, MAPS),
    dropout.Dropout: ({'rate': 0.5, 'seed': 3}, MAPS),
    lrn.LocalResponseNormalization: ({'k': 1.0, 'n': 3, 'alpha': 1e-3, 'beta': 0.5}, MAPS),
    lrn.SameMapNormalization: ({'alpha': 1e-3}, MAPS),
}
every_layer = pytest.mark.parametrize('kind', CASES, ids=lambda kind: kind.__name__)


def make(kind, **more):
    return kind(**CASES[kind][0], **more)


def inputs_of(kind, number=2):
    shape = CASES[kind][1]
    random = np.random.default_rng(0)
    if isinstance(shape, list):
        return [random.normal(0, 50, (number, *each)).astype(np.float32) for each in shape]
    return random.normal(0, 50, (number, *shape)).astype(np.float32)


def symbolic(kind):
    shape = CASES[kind][1]
    if isinstance(shape, list):
        return [keras.Input(each) for each in shape]
    return keras.Input(shape)


def test_no_layer_is_left_out():
    found = set()
    for path in pathlib.Path(layers.__file__).parent.glob('[a-z]*.py'):
        module = importlib.import_module(f'alexnet_tf.models.layers.{path.stem}')
        found |= {
            each
            for _, each in inspect.getmembers(module, inspect.isclass)
            if issubclass(each, keras.Layer) and each.__module__ == module.__name__
        }
    assert found == set(CASES)


@every_layer
def test_config_round_trip(kind):
    layer = make(kind, name='it', device='/CPU:0', dtype='mixed_bfloat16')
    again = kind.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.device, again.name) == ('/CPU:0', 'it')


@every_layer
def test_keras_file_round_trip(kind, tmp_path):
    inputs = symbolic(kind)
    model = keras.Model(inputs, make(kind)(inputs))
    model.save(tmp_path / 'it.keras')
    again = keras.models.load_model(tmp_path / 'it.keras')
    values = inputs_of(kind)
    np.testing.assert_array_equal(again(values), model(values))


@every_layer
def test_saved_model_round_trip(kind, tmp_path):
    inputs = symbolic(kind)
    model = keras.Model(inputs, make(kind)(inputs))
    model.export(tmp_path / 'it', verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'it'))
    np.testing.assert_allclose(loaded.serve(inputs_of(kind)), model(inputs_of(kind)), rtol=1e-6)


@every_layer
def test_any_batch_size_in_a_graph(kind):
    layer = make(kind)
    layer(inputs_of(kind))
    shapes = CASES[kind][1]
    many = shapes if isinstance(shapes, list) else [shapes]
    specs = [tf.TensorSpec((None, *each)) for each in many]
    graph = tf.function(
        lambda *each: layer(list(each) if isinstance(shapes, list) else each[0]),
        input_signature=specs,
    )
    for number in (1, 5):
        values = inputs_of(kind, number)
        given = values if isinstance(shapes, list) else [values]
        np.testing.assert_allclose(graph(*given), layer(values), rtol=1e-6)


@every_layer
def test_shape_is_known_without_computing(kind):
    outputs = make(kind)(symbolic(kind))
    assert outputs.shape == (None, *make(kind)(inputs_of(kind)).shape[1:])


@every_layer
def test_mixed_precision(kind):
    layer, exact = make(kind, dtype='mixed_bfloat16'), make(kind)
    y, expected = layer(inputs_of(kind)), exact(inputs_of(kind))
    assert y.dtype == tf.bfloat16
    assert all(each.dtype in ('float32', 'int64') for each in layer.variables)
    if layer.weights and hasattr(layer, 'kernel'):
        layer.set_weights(exact.get_weights())
        y = layer(inputs_of(kind))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=0.02 * scale)


@every_layer
def test_operations_run_on_the_layers_device(kind):
    layer = make(kind, device='/CPU:1')
    values = inputs_of(kind)
    layer(values)
    graph = tf.function(lambda: layer(values)).get_concrete_function().graph
    # Reading a variable follows the variable.
    free = ('Const', 'Placeholder', 'Identity', 'NoOp', 'ReadVariableOp')
    placed = {op.type: op.device for op in graph.get_operations() if op.type not in free}
    assert placed
    assert set(placed.values()) == {'/device:CPU:1'}, placed
    assert all('CPU:1' in each.value.device for each in layer.variables)
