"""Properties of every layer; none is left out."""

import importlib
import inspect
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import layers
from alexnet_tf.models.layers import (
    batch_normalization,
    dropout,
    locally_connected,
    lrn,
    mean_subtraction,
    on_device,
)

MAPS = (7, 7, 6)
CASES = {
    on_device.Conv2D: ({'filters': 4, 'kernel_size': 3}, MAPS),
    on_device.ZeroPadding2D: ({'padding': ((0, 3), (0, 3))}, MAPS),
    on_device.MaxPooling2D: ({'pool_size': 3, 'strides': 2}, MAPS),
    on_device.AveragePooling2D: ({'pool_size': 3, 'strides': 2}, MAPS),
    on_device.GlobalAveragePooling2D: ({'keepdims': True}, MAPS),
    on_device.ReLU: ({}, MAPS),
    on_device.Rescaling: ({'scale': 0.5}, MAPS),
    batch_normalization.BatchNormalization: ({'epsilon': 0.1}, MAPS),
    on_device.Activation: ({'activation': 'tanh'}, MAPS),
    on_device.Concatenate: ({}, [MAPS, MAPS]),
    on_device.ChannelSlice: ({'start': 1, 'stop': 3}, MAPS),
    on_device.Flatten: ({}, MAPS),
    on_device.Dense: ({'units': 3}, (12,)),
    locally_connected.LocallyConnected2D: ({'filters': 4, 'kernel_size': 3}, MAPS),
    dropout.Dropout: ({'rate': 0.5, 'seed': 3}, MAPS),
    lrn.LocalResponseNormalization: ({'k': 1.0, 'n': 3, 'alpha': 1e-3, 'beta': 0.5}, MAPS),
    lrn.SameMapNormalization: ({'alpha': 1e-3}, MAPS),
    mean_subtraction.MeanSubtraction: ({'mean': (1.0, 2.0, 3.0)}, (7, 7, 3)),
    mean_subtraction.MeanImageSubtraction: ({}, (7, 7, 3)),
}
every_layer = pytest.mark.parametrize('kind', CASES, ids=lambda kind: kind.__name__)


def create(kind, **options):
    return kind(**CASES[kind][0], **options)


def sample_inputs(kind, batch=2):
    shape = CASES[kind][1]
    random = np.random.default_rng(0)
    if isinstance(shape, list):
        return [random.normal(0, 50, (batch, *size)).astype(np.float32) for size in shape]
    return random.normal(0, 50, (batch, *shape)).astype(np.float32)


def create_symbolic_inputs(kind):
    shape = CASES[kind][1]
    if isinstance(shape, list):
        return [keras.Input(size) for size in shape]
    return keras.Input(shape)


def test_no_layer_is_left_out():
    defined = set()
    for path in pathlib.Path(layers.__file__).parent.glob('[a-z]*.py'):
        module = importlib.import_module(f'alexnet_tf.models.layers.{path.stem}')
        defined |= {
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, keras.Layer) and kind.__module__ == module.__name__
        }
    assert defined == set(CASES)


@every_layer
def test_a_config_round_trip_keeps_the_layer(kind):
    layer = create(kind, name='layer', device='/CPU:0', dtype='mixed_bfloat16')
    again = kind.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.device, again.name) == ('/CPU:0', 'layer')


@every_layer
def test_a_keras_file_round_trip_keeps_the_outputs(kind, tmp_path):
    inputs = create_symbolic_inputs(kind)
    model = keras.Model(inputs, create(kind)(inputs))
    model.save(tmp_path / 'layer.keras')
    again = keras.models.load_model(tmp_path / 'layer.keras')
    values = sample_inputs(kind)
    np.testing.assert_array_equal(again(values), model(values))


@every_layer
def test_a_saved_model_round_trip_keeps_the_outputs(kind, tmp_path):
    inputs = create_symbolic_inputs(kind)
    model = keras.Model(inputs, create(kind)(inputs))
    model.export(tmp_path / 'export', verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'export'))
    np.testing.assert_allclose(
        loaded.serve(sample_inputs(kind)), model(sample_inputs(kind)), rtol=1e-6
    )


@every_layer
def test_a_graph_takes_any_batch_size_and_need_not_know_rows_and_columns(kind):
    layer = create(kind)
    layer(sample_inputs(kind))
    shapes = CASES[kind][1]
    many = shapes if isinstance(shapes, list) else [shapes]

    def differentiate(*inputs):
        outputs = layer(list(inputs) if isinstance(shapes, list) else inputs[0])
        return outputs, tf.gradients(tf.square(outputs), inputs)

    specs = [tf.TensorSpec((*[None] * len(shape), shape[-1])) for shape in many]
    graph = tf.function(differentiate, input_signature=specs)
    for batch in (1, 5):
        inputs = sample_inputs(kind, batch)
        arguments = inputs if isinstance(shapes, list) else [inputs]
        outputs, gradients = graph(*arguments)
        np.testing.assert_allclose(outputs, layer(inputs), rtol=1e-6)
        _, expected = tf.function(differentiate)(*map(tf.constant, arguments))
        for gradient, value in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(gradient, value, rtol=1e-5, atol=1e-5)


@every_layer
def test_the_output_shape_is_known_without_computing(kind):
    outputs = create(kind)(create_symbolic_inputs(kind))
    assert outputs.shape == (None, *create(kind)(sample_inputs(kind)).shape[1:])


@every_layer
def test_mixed_precision_keeps_float32_weights(kind):
    layer, exact = create(kind, dtype='mixed_bfloat16'), create(kind)
    y, expected = layer(sample_inputs(kind)), exact(sample_inputs(kind))
    assert y.dtype == tf.bfloat16
    assert all(variable.dtype in ('float32', 'int64') for variable in layer.variables)
    if layer.weights and hasattr(layer, 'kernel'):
        layer.set_weights(exact.get_weights())
        y = layer(sample_inputs(kind))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(tf.cast(y, tf.float32), expected, atol=0.02 * scale)


@every_layer
def test_operations_run_on_the_layers_device(kind):
    layer = create(kind, device='/CPU:1')
    values = sample_inputs(kind)
    layer(values)
    graph = tf.function(lambda: layer(values)).get_concrete_function().graph
    # Reading a variable follows the variable.
    free = ('Const', 'Placeholder', 'Identity', 'NoOp', 'ReadVariableOp')
    placed = {op.type: op.device for op in graph.get_operations() if op.type not in free}
    assert placed
    assert set(placed.values()) == {'/device:CPU:1'}, placed
    assert all('CPU:1' in variable.value.device for variable in layer.variables)
