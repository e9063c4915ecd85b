"""Imported weights against Caffe's network, written out with grouped kernels and BGR pictures."""

import os
import pickle
import struct

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, cifar, recipes
from alexnet_tf.models.weights import caffe as caffe_lib
from alexnet_tf.models.weights import readers
from input_pipeline import errors

WIDTH, CLASSES = 1 / 16, 5
CROP = 99  # pool5 has 2x2 places, so that their order shows
NUMBERS = recipes.resolve('caffe', crop_size=CROP)
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
LAYERS = list(SHAPES)
IMAGES = np.random.default_rng(1).normal(0, 60, (3, CROP, CROP, 3)).astype(np.float32)


@pytest.fixture(scope='module')
def caffe():
    """Caffe's own layout: (kernel, bias) by layer."""
    random = np.random.default_rng(0)
    return {
        name: (
            random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32),
            random.normal(0, 0.1, shape[0]).astype(np.float32),
        )
        for name, shape in SHAPES.items()
    }


def as_caffe_computes(weights, rgb):
    """Grouped convolutions, normalisation over all maps, pool5 flattened map by map."""

    def convolution(x, name, stride, groups, padding):
        kernel = tf.transpose(weights[name][0], (2, 3, 1, 0))
        x = tf.pad(x, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
        y = tf.concat([tf.nn.conv2d(a, b, stride, 'VALID') for a, b in parts], -1)
        return tf.nn.relu(y + weights[name][1])

    def normalised(x):
        return tf.nn.local_response_normalization(x, 2, 1.0, 1e-4 / 5, 0.75)

    def pooled(x):
        return tf.nn.max_pool2d(x, 3, 2, 'VALID')

    x = pooled(normalised(convolution(rgb[..., ::-1], 'conv1', 4, 1, 0)))
    x = pooled(normalised(convolution(x, 'conv2', 1, 2, 2)))
    x = convolution(x, 'conv3', 1, 1, 1)
    x = convolution(x, 'conv4', 1, 2, 1)
    x = pooled(convolution(x, 'conv5', 1, 2, 1))
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (len(rgb), -1))
    for name in ('fc6', 'fc7'):
        x = tf.nn.relu(tf.linalg.matvec(weights[name][0], x) + weights[name][1])
    return tf.linalg.matvec(weights['fc8'][0], x) + weights['fc8'][1]


def converted(weights):
    """As Caffe's converters leave it: kernels (rows, columns, in, out), fc6 place by place."""
    found = {}
    for name, (kernel, bias) in weights.items():
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 3, 1, 0)
        elif name == 'fc6':
            kernel = kernel.reshape(-1, 16, 2, 2).transpose(2, 3, 1, 0).reshape(64, -1)
        else:
            kernel = kernel.T
        found[name] = [kernel, bias]
    return found


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    out = b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def caffemodel(weights) -> bytes:
    """NetParameter { layer { name type blobs { data shape } } }."""
    layers = b''
    for name, pair in weights.items():
        kind = b'Convolution' if name.startswith('conv') else b'InnerProduct'
        blobs = b''
        for array in pair:
            shape = field(7, field(1, b''.join(varint(each) for each in array.shape)))
            blobs += field(7, shape + field(5, array.astype('<f4').tobytes()))
        layers += field(100, field(1, name.encode()) + field(2, kind) + blobs)
    return field(1, b'AlexNet') + layers


@pytest.fixture(params=['npy', 'npy of Python 2', 'npz', 'npz of a converter', 'caffemodel'])
def file(request, caffe, tmp_path):
    kind = request.param
    path = tmp_path / f'weights.{kind.split()[0]}'
    if kind == 'npy':
        np.save(path, converted(caffe), allow_pickle=True)
    elif kind == 'npy of Python 2':
        held = np.array(converted(caffe), dtype=object)
        with path.open('wb') as out:
            header = {'descr': '|O', 'fortran_order': False, 'shape': ()}
            np.lib.format.write_array_header_1_0(out, header)
            pickle.dump(held, out, protocol=2)
    elif kind == 'npz':
        np.savez(
            path,
            **{f'{n}/{k}': v[k == 'bias'] for n, v in caffe.items() for k in ('kernel', 'bias')},
        )
    elif kind == 'npz of a converter':
        np.savez(
            path, **{f'{n}_{k}': v[k == 'b'] for n, v in converted(caffe).items() for k in 'Wb'}
        )
    else:
        pytest.importorskip('cv2', reason='needs OpenCV 4 to read .caffemodel')
        path.write_bytes(caffemodel(caffe))
    return path


def build(**more):
    return alexnet.build(NUMBERS, width=WIDTH, **{'num_classes': CLASSES, **more})


def assign(model, path, *, missing_fresh=False):
    weights = readers.read(path, caffe_lib.layer_names(model))
    return caffe_lib.assign(model, weights, missing_fresh=missing_fresh, file=path)


def test_the_network_computes_what_caffe_computes(caffe, file):
    model = build()
    taken, left = assign(model, file)
    assert (len(taken), left) == (15, [])
    np.testing.assert_allclose(
        model(IMAGES), as_caffe_computes(caffe, IMAGES), rtol=2e-3, atol=2e-4
    )


def saved(tmp_path, weights):
    path = tmp_path / 'some.npz'
    np.savez(
        path, **{f'{n}/{k}': v[k == 'bias'] for n, v in weights.items() for k in ('kernel', 'bias')}
    )
    return path


def test_another_number_of_classes_begins_fc8_afresh(caffe, tmp_path):
    path = saved(tmp_path, caffe)
    model = build(num_classes=3)
    before = model.get_weights()
    with pytest.raises(errors.DataError, match=r'no fitting fc8.*--init_missing=fresh'):
        assign(model, path)
    for value, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, other)
    taken, left = assign(model, path, missing_fresh=True)
    assert left == ['fc8']
    assert len(taken) == 14
    assert any(np.array_equal(model.get_layer('fc8').kernel, each) for each in before)


def test_a_small_network_lends_all_but_its_last_layer(tmp_path):
    first, other = (
        cifar.build(recipes.CIFAR13, num_classes=number, width=0.1, seed=number)
        for number in (10, 4)
    )
    path = tmp_path / 'variables.npz'
    np.savez(path, **{each.path: each.numpy() for each in first.variables})
    taken, left = assign(other, path, missing_fresh=True)
    assert (taken, left) == (['conv1_a', 'conv2_a', 'local3_a', 'local4_a'], ['fc5'])
    for name in taken:
        kernels = (model.get_layer(name).kernel for model in (first, other))
        np.testing.assert_array_equal(*kernels)


def test_missing_layers_are_named(caffe, tmp_path):
    path = saved(tmp_path, {name: caffe[name] for name in ('conv1', 'conv2')})
    with pytest.raises(errors.DataError, match='conv3_a, conv3_b, conv4_a'):
        assign(build(), path)


def test_our_own_checkpoint(tmp_path):
    model, other = build(), build(seed=1)
    path = tmp_path / 'variables.npz'
    np.savez(path, **{each.path: each.numpy() for each in other.trainable_variables})
    assign(model, path)
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))


@pytest.mark.parametrize('layer', ['conv2', 'conv4', 'fc6', 'fc7'])
def test_wrong_shapes_are_refused_by_name(caffe, tmp_path, layer):
    kernel, bias = caffe[layer]
    path = saved(tmp_path, caffe | {layer: (kernel[:-2], bias[:-2])})
    with pytest.raises(errors.DataError, match=rf'{layer}_a/kernel would have shape'):
        assign(build(), path)


def test_values_that_are_no_numbers_are_refused(caffe, tmp_path):
    path = saved(
        tmp_path, caffe | {'fc7': (np.full_like(caffe['fc7'][0], np.nan), caffe['fc7'][1])}
    )
    with pytest.raises(errors.DataError, match='no numbers'):
        assign(build(), path)


class Hostile:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize('call', [os.system, eval, getattr, np.load, np.fromfile])
def test_a_pickle_that_calls_anything_is_refused(call, tmp_path):
    path, mark = tmp_path / 'bad.npy', tmp_path / 'mark'
    np.save(path, {'conv1': [Hostile(call, f'touch {mark}'), 1]}, allow_pickle=True)
    with pytest.raises(errors.DataError, match='only NumPy arrays of numbers are admitted'):
        readers.read(path, LAYERS)
    assert not mark.exists()


@pytest.mark.parametrize(
    'content',
    [b'', b'\x93NUMPY', b'\x93NUMPY\x01\x00\x10\x00' + b'x' * 16, struct.pack('<Q', 7) * 9],
)
@pytest.mark.parametrize('suffix', readers.SUFFIXES)
def test_broken_files_are_data_errors(suffix, content, tmp_path):
    path = tmp_path / f'broken{suffix}'
    path.write_bytes(content)
    with pytest.raises(errors.DataError, match='broken'):
        readers.read(path, LAYERS)


def test_a_single_array_and_a_list_are_refused(tmp_path):
    np.save(tmp_path / 'one.npy', np.ones(3))
    np.save(tmp_path / 'list.npy', np.array([1, 'a', None], dtype=object), allow_pickle=True)
    for name in ('one', 'list'):
        with pytest.raises(errors.DataError, match=f'{name}.npy'):
            readers.read(tmp_path / f'{name}.npy', LAYERS)


@pytest.mark.parametrize('layer', ['fc6', 'fc8'])
@pytest.mark.parametrize('form', [dict, converted])
def test_the_layout_shows_in_fully_connected_layers_too(caffe, tmp_path, layer, form):
    model = build()
    path = saved(tmp_path, form({layer: caffe[layer]}))
    caffe_lib.assign(model, readers.read(path, LAYERS), missing_fresh=True, file=path)
    # Of fc6's 256 neurons, column a has the first half.
    kernel = model.get_layer('fc8' if layer == 'fc8' else 'fc6_a').kernel.numpy()
    expected = caffe[layer][0].T[:, : kernel.shape[1]]
    np.testing.assert_array_equal(np.sort(kernel, axis=0), np.sort(expected, axis=0))


def test_a_layout_that_cannot_be_told_is_refused(caffe, tmp_path):
    path = saved(tmp_path, {'fc7': caffe['fc7']})
    with pytest.raises(errors.DataError, match='of square kernels alone'):
        caffe_lib.assign(build(), readers.read(path, LAYERS), missing_fresh=True, file=path)


@pytest.mark.parametrize(
    ('layer', 'kernel', 'message'),
    [
        ('conv1', np.array([['a']]), 'where numbers are expected'),
        ('conv1', np.ones((3, 6)), 'not of 4'),
        ('conv2', np.float32(1), 'no layer of AlexNet'),
        ('fc6', np.float32(1), 'no layer of AlexNet'),
        ('fc7', np.ones((2, 3, 4)), 'no layer of AlexNet'),
    ],
)
def test_kernels_that_are_none_are_refused_by_name(caffe, tmp_path, layer, kernel, message):
    path = saved(tmp_path, caffe | {layer: (kernel, np.ones(6))})
    with pytest.raises(errors.DataError, match=f'{layer}.*{message}'):
        readers.read(path, LAYERS)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.DataError, match=r'--init_weights=.*gone\.npy: no such file'):
        readers.read(tmp_path / 'gone.npy', LAYERS)
