"""Weights of files against the networks of their programs, written out with TensorFlow."""

import functools
import pickle
import warnings

import h5py
import keras
import numpy as np
import pytest
import scipy.io
import tensorflow as tf

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.weights import assignment, readers, recognition, writers
from input_pipeline import errors

WIDTH, CLASSES = 1 / 16, 5
CROP = 99  # pool5 has 2x2 positions, so that their order shows
RECIPE = recipes.CAFFE.replace(crop_size=CROP)
# (out, in, rows, columns), and (out, in), of both columns.
SHAPES = {
    'conv1': (6, 3, 11, 11),
    'conv2': (16, 3, 5, 5),
    'conv3': (24, 16, 3, 3),
    'conv4': (24, 12, 3, 3),
    'conv5': (16, 12, 3, 3),
    'fc6': (256, 16 * 2 * 2),
    'fc7': (256, 256),
    'fc8': (CLASSES, 256),
}
IMAGES = np.random.default_rng(1).normal(0, 60, (3, CROP, CROP, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def caffe():
    """Returns weights in Caffe's own layout: (kernel, bias) by layer."""
    return make_weights(SHAPES)


def make_weights(shapes):
    random = np.random.default_rng(0)
    return {
        name: (
            random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32),
            random.normal(0, 0.1, shape[0]).astype(np.float32),
        )
        for name, shape in shapes.items()
    }


def compute_caffe_logits(weights, images, groups=2):
    """Computes grouped convolutions, normalises over all maps and flattens pool5 map by map."""

    def convolution(x, name, stride, groups, padding):
        kernel = tf.transpose(weights[name][0], (2, 3, 1, 0))
        x = tf.pad(x, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
        y = tf.concat([tf.nn.conv2d(a, b, stride, 'VALID') for a, b in parts], -1)
        return tf.nn.relu(y + weights[name][1])

    def normalise(x):
        return tf.nn.local_response_normalization(x, 2, 1.0, 1e-4 / 5, 0.75)

    def pool(x):
        return tf.nn.max_pool2d(x, 3, 2, 'VALID')

    x = pool(normalise(convolution(images, 'conv1', 4, 1, 0)))
    x = pool(normalise(convolution(x, 'conv2', 1, groups, 2)))
    x = convolution(x, 'conv3', 1, 1, 1)
    x = convolution(x, 'conv4', 1, groups, 1)
    x = pool(convolution(x, 'conv5', 1, groups, 1))
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (len(images), -1))
    for name in ('fc6', 'fc7'):
        x = tf.nn.relu(tf.linalg.matvec(weights[name][0], x) + weights[name][1])
    return tf.linalg.matvec(weights['fc8'][0], x) + weights['fc8'][1]


def convert(weights):
    """Converts as Caffe's converters do: kernels (rows, columns, in, out), fc6 by position."""
    converted = {}
    for name, (kernel, bias) in weights.items():
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)
        elif name == 'fc6':
            kernel = kernel.reshape(-1, 16, 2, 2).transpose(2, 3, 1, 0).reshape(64, -1)
        else:
            kernel = kernel.T
        converted[name] = [kernel, bias]
    return converted


FORMATS = {
    'caffe.npy': lambda path, weights, _: np.save(path, convert(weights), allow_pickle=True),
    'python2.npy': lambda path, weights, _: save_npy_of_python2(path, convert(weights)),
    'nested.npy': lambda path, weights, _: np.save(path, nest(convert(weights)), allow_pickle=True),
    'caffe.npz': lambda path, weights, _: save(path, weights),
    'converted.npz': lambda path, weights, _: np.savez(
        path, **{f'{n}_{k}': v[k == 'b'] for n, v in convert(weights).items() for k in 'Wb'}
    ),
    'new.caffemodel': lambda path, weights, encode: path.write_bytes(encode.caffemodel(weights)),
    'old.caffemodel': lambda path, weights, encode: path.write_bytes(
        encode.caffemodel_of_2014(weights)
    ),
    'caffe.onnx': lambda path, weights, encode: path.write_bytes(encode_onnx(weights, encode)),
    'alex.mat': lambda path, weights, _: save_mat(path, weights),
}


def save_npy_of_python2(path, weights):
    with path.open('wb') as out:
        header = {'descr': '|O', 'fortran_order': False, 'shape': ()}
        np.lib.format.write_array_header_1_0(out, header)
        pickle.dump(np.array(weights, dtype=object), out, protocol=2)


def nest(weights):
    return {name: {'weights': pair[0], 'biases': pair[1]} for name, pair in weights.items()}


def save(path, weights):
    arrays = {f'{n}/{k}': v[k == 'bias'] for n, v in weights.items() for k in ('kernel', 'bias')}
    np.savez(path, **arrays)


def encode_onnx(weights, encode) -> bytes:
    """Encodes ModelProto { graph { initializer { dims data_type name raw_data } } }."""
    tensors = b''
    for name, pair in weights.items():
        for kind, array in zip('wb', pair, strict=True):
            dims = b''.join(encode.field(1, size) for size in array.shape)
            data = encode.field(9, array.astype('<f4').tobytes())
            tensor = dims + encode.field(2, 1) + encode.field(8, f'{name}_{kind}_0'.encode()) + data
            tensors += encode.field(5, tensor)
    return encode.field(1, 3) + encode.field(7, tensors)


def save_mat(path, weights):
    """Saves as import-caffe.py does: RGB, fc as convolutions, cells of structs."""
    layers = []
    for name, (kernel, bias) in weights.items():
        if name == 'fc6':
            kernel = kernel.reshape(-1, 16, 2, 2)
        kernel = kernel if kernel.ndim == 4 else kernel[:, :, None, None]
        kernel = kernel.transpose(2, 3, 1, 0)
        cell = np.empty((1, 2), dtype=object)
        cell[0, 0] = kernel[:, :, ::-1] if name == 'conv1' else kernel
        cell[0, 1] = bias[None]
        layers.append({'name': name, 'type': 'conv', 'weights': cell})
        layers.append({'name': name.replace('conv', 'relu'), 'type': 'relu'})
    cells = np.empty((1, len(layers)), dtype=object)
    cells[0] = layers
    scipy.io.savemat(path, {'layers': cells}, do_compression=True)


@functools.cache
def _build_once(num_classes, columns, seed):
    recipe = RECIPE.replace(columns=columns)
    model = alexnet.build(recipe, width=WIDTH, num_classes=num_classes, seed=seed)
    return model, model.get_weights()


def build(num_classes=CLASSES, columns=2, seed=0):
    """Gives a network its initial weights; of the same arguments it is the same network."""
    model, weights = _build_once(num_classes, columns, seed)
    model.set_weights(weights)
    return model


def assign(model, path, **options):
    file = readers.read(path)
    return assignment.assign(model, file, recognition.recognize(file), **options)


@pytest.mark.parametrize('name', FORMATS)
def test_the_network_computes_what_caffe_computes(name, caffe, tmp_path, encode):
    FORMATS[name](tmp_path / name, caffe, encode)
    model = build()
    assigned, missing = assign(model, tmp_path / name)
    assert (len(assigned), missing) == (15, [])
    np.testing.assert_allclose(
        model(IMAGES), compute_caffe_logits(caffe, IMAGES[..., ::-1]), rtol=2e-3, atol=2e-4
    )


ONE_COLUMN = {
    'conv1': (3, 3, 11, 11),
    'conv2': (8, 3, 5, 5),
    'conv3': (12, 8, 3, 3),
    'conv4': (12, 12, 3, 3),
    'conv5': (16, 12, 3, 3),
    **{name: SHAPES[name] for name in ('fc6', 'fc7', 'fc8')},
}
TORCHVISION = {
    **dict(zip(list(SHAPES)[:5], [f'features.{i}' for i in (0, 3, 6, 8, 10)], strict=True)),
    **dict(zip(list(SHAPES)[5:], [f'classifier.{i}' for i in (1, 4, 6)], strict=True)),
}
ONE_COLUMN_FORMATS = {
    'alexnet.pth': lambda arrays, encode: encode.torch(arrays),
    'old.pth': lambda arrays, encode: encode.legacy_torch(arrays),
    'places.pth.tar': lambda arrays, encode: encode.legacy_torch(
        {name.replace('features', 'features.module'): array for name, array in arrays.items()},
        wrapper='state_dict',
    ),
    'parallel.pt': lambda arrays, encode: encode.torch(
        {f'module.{name}': array for name, array in arrays.items()}, wrapper='state_dict'
    ),
    'big_endian.pth': lambda arrays, encode: encode.torch(arrays, byteorder='big'),
    'alexnet.safetensors': lambda arrays, encode: encode.safetensors(arrays, {'format': 'pt'}),
}


@pytest.mark.parametrize('name', ONE_COLUMN_FORMATS)
def test_one_column_computes_what_pytorch_computes(name, tmp_path, encode):
    weights = make_weights(ONE_COLUMN)
    arrays = {
        f'{TORCHVISION[layer]}.{kind}': array
        for layer, pair in weights.items()
        for kind, array in zip(('weight', 'bias'), pair, strict=True)
    }
    (tmp_path / name).write_bytes(ONE_COLUMN_FORMATS[name](arrays, encode))
    model = build(columns=1)
    assigned, missing = assign(model, tmp_path / name)
    assert (len(assigned), missing) == (8, [])
    expected = compute_caffe_logits(weights, IMAGES, groups=1)
    np.testing.assert_allclose(model(IMAGES), expected, rtol=2e-3, atol=2e-4)


def test_tf2cv_flattens_map_by_map(path):
    weights, path = make_weights(ONE_COLUMN), path.with_name('alexnet-1609.tf2.h5')
    groups = {f'conv{i}': f'features/stage{i}/unit1/conv/conv' for i in (1, 2)}
    groups |= {f'conv{i + 2}': f'features/stage3/unit{i}/conv/conv' for i in (1, 2, 3)}
    groups |= {'fc6': 'output1/fc1/fc', 'fc7': 'output1/fc2/fc', 'fc8': 'output1/fc3'}
    with h5py.File(path, 'w') as file:
        for layer, group in groups.items():
            kernel, bias = weights[layer]
            axes = (2, 3, 1, 0) if kernel.ndim == 4 else (1, 0)
            file[f'{group.partition("/")[0]}/{group}/kernel:0'] = kernel.transpose(axes)
            file[f'{group.partition("/")[0]}/{group}/bias:0'] = bias
    model = build(columns=1)
    assign(model, path)
    expected = compute_caffe_logits(weights, IMAGES, groups=1)
    np.testing.assert_allclose(model(IMAGES), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize('suffix', ['.weights.h5', '.h5', '.keras'])
def test_files_of_keras_are_read_to_the_bit(suffix, tmp_path):
    model, other = build(), build(seed=1)
    path = tmp_path / f'network{suffix}'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Keras', that .h5 is legacy
        (other.save_weights if suffix == '.weights.h5' else other.save)(path)
    assign(model, path)
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'weights.npz'


def test_another_number_of_classes_leaves_fc8_as_it_was(caffe, path):
    save(path, caffe)
    model = build(num_classes=3)
    before = model.get_weights()
    with pytest.raises(errors.DataError, match=r'no fitting weights of fc8\. Give other ones\.'):
        assign(model, path, advice='Give other ones.')
    for value, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, other)
    assigned, missing = assign(model, path, allow_missing=True)
    assert missing == ['fc8']
    assert len(assigned) == 14
    assert any(np.array_equal(model.get_layer('fc8').kernel, value) for value in before)


def test_a_small_network_initialises_all_but_the_last_layer_of_another(path):
    first, other = (
        alexnet.build(recipes.CIFAR13, num_classes=number, width=0.1, seed=number)
        for number in (10, 4)
    )
    np.savez(path, **{variable.path: variable.numpy() for variable in first.variables})
    assigned, missing = assign(other, path, allow_missing=True)
    assert (assigned, missing) == (['conv1_a', 'conv2_a', 'local3_a', 'local4_a'], ['fc5'])
    for name in assigned:
        kernels = (model.get_layer(name).kernel for model in (first, other))
        np.testing.assert_array_equal(*kernels)


def test_missing_layers_are_named(caffe, path):
    save(path, {name: caffe[name] for name in ('conv1', 'conv2')})
    with pytest.raises(errors.DataError, match='conv3_a, conv3_b, conv4_a'):
        assign(build(), path)


def test_weights_of_a_checkpoint_are_assigned(path):
    model, other = build(), build(seed=1)
    np.savez(path, **{variable.path: variable.numpy() for variable in other.trainable_variables})
    assign(model, path)
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))


@pytest.mark.parametrize('layer', ['conv2', 'conv4', 'fc6', 'fc7'])
def test_wrong_shapes_are_refused_by_name(caffe, path, layer):
    kernel, bias = caffe[layer]
    save(path, caffe | {layer: (kernel[:-2], bias[:-2])})
    with pytest.raises(errors.DataError, match=rf'{layer}_a/kernel would have the shape'):
        assign(build(), path)


def test_nan_values_are_refused(caffe, path):
    save(path, caffe | {'fc7': (np.full_like(caffe['fc7'][0], np.nan), caffe['fc7'][1])})
    with pytest.raises(errors.DataError, match='NaN or inf'):
        assign(build(), path)


@pytest.mark.parametrize('layer', ['fc6', 'fc8'])
@pytest.mark.parametrize('form', [dict, convert])
def test_the_layout_shows_in_fully_connected_layers_too(caffe, path, layer, form):
    model = build()
    save(path, form({layer: caffe[layer]}))
    assign(model, path, allow_missing=True)
    # Of fc6's 256 neurons, column a has the first half.
    kernel = model.get_layer('fc8' if layer == 'fc8' else 'fc6_a').kernel.numpy()
    expected = caffe[layer][0].T[:, : kernel.shape[1]]
    np.testing.assert_array_equal(np.sort(kernel, axis=0), np.sort(expected, axis=0))


def test_an_ambiguous_layout_is_refused(caffe, path):
    save(path, {'fc7': caffe['fc7']})
    with pytest.raises(errors.DataError, match='square kernels alone'):
        assign(build(), path, allow_missing=True)


def test_weights_of_the_other_byte_order_are_refused(caffe, path):
    kernel, bias = caffe['conv2']
    swapped = np.full_like(kernel, 0.1).byteswap()  # -4.3e8; others become NaN
    save(path, caffe | {'conv2': (swapped, bias)})
    with pytest.raises(errors.DataError, match=r'up to 4\.3e\+08, which trained weights have not'):
        assign(build(), path)


@pytest.mark.parametrize('dtype', ['float16', 'float64', '>f4', 'bfloat16'])
def test_other_dtypes_become_float32(dtype, tmp_path, encode):
    kernel = np.arange(15 * 16, dtype=np.float32).reshape(15, 16) / 256  # exact in all of them
    weights = {'fc8': (kernel.astype(dtype), np.ones(15, dtype))}
    if dtype == 'bfloat16':
        path = tmp_path / 'weights.safetensors'
        arrays = dict(
            zip(('classifier.6.weight', 'classifier.6.bias'), weights['fc8'], strict=True)
        )
        path.write_bytes(encode.safetensors(arrays))
    else:
        path = tmp_path / 'weights.npz'
        save(path, weights)
    file = readers.read(path)
    assert {array.dtype for array in file.arrays.values()} == {np.dtype(dtype)}
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(15, name='fc8')])
    assignment.assign(model, file, recognition.recognize(file))
    np.testing.assert_array_equal(model.get_layer('fc8').kernel, kernel.T)


def test_a_bias_that_the_network_has_not_is_refused(caffe, path):
    save(path, caffe)
    model = alexnet.build(RECIPE.replace(batch_norm=True), width=WIDTH, num_classes=CLASSES)
    with pytest.raises(errors.DataError, match='conv1 has a bias, which this network has not'):
        assign(model, path)


@pytest.mark.parametrize('suffix', ['.npz', '.weights.h5', '.safetensors'])
def test_batch_norm_is_read_with_its_moving_averages(suffix, tmp_path):
    recipe = RECIPE.replace(batch_norm=True)
    model, other = (
        alexnet.build(recipe, width=WIDTH, num_classes=CLASSES, seed=seed) for seed in range(2)
    )
    for layer in other.layers:
        if layer.name.endswith('_batch_norm_a'):
            layer.set_weights([np.full_like(w, 1 + i) for i, w in enumerate(layer.get_weights())])
    path = tmp_path / f'weights{suffix}'
    if suffix == '.npz':
        np.savez(path, **{variable.path: variable.numpy() for variable in other.weights})
    elif suffix == '.safetensors':
        writers.write_safetensors(path, other)
    else:
        other.save_weights(path)
    assign(model, path)
    for first, second in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
