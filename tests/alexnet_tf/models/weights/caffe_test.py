"""Imported weights against Caffe's network, written out with grouped kernels and BGR images."""

import pickle

import numpy as np
import pytest
import tensorflow as tf

from alexnet_tf.models import alexnet, cifar, recipes, topology
from alexnet_tf.models.weights import caffe as caffe_lib
from alexnet_tf.models.weights import readers
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
    random = np.random.default_rng(0)
    return {
        name: (
            random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32),
            random.normal(0, 0.1, shape[0]).astype(np.float32),
        )
        for name, shape in SHAPES.items()
    }


def compute_caffe_logits(weights, rgb):
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

    x = pool(normalise(convolution(rgb[..., ::-1], 'conv1', 4, 1, 0)))
    x = pool(normalise(convolution(x, 'conv2', 1, 2, 2)))
    x = convolution(x, 'conv3', 1, 1, 1)
    x = convolution(x, 'conv4', 1, 2, 1)
    x = pool(convolution(x, 'conv5', 1, 2, 1))
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (len(rgb), -1))
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


def encode_field(number: int, payload: bytes) -> bytes:
    """Encodes a length-delimited field of a protocol buffer."""
    return encode_varint(number << 3 | 2) + encode_varint(len(payload)) + payload


def encode_varint(value: int) -> bytes:
    out = b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def encode_caffemodel(weights) -> bytes:
    """Encodes NetParameter { layer { name type blobs { data shape } } }."""
    layers = b''
    for name, pair in weights.items():
        kind = b'Convolution' if name.startswith('conv') else b'InnerProduct'
        blobs = b''
        for array in pair:
            shape = encode_field(
                7, encode_field(1, b''.join(encode_varint(size) for size in array.shape))
            )
            blobs += encode_field(7, shape + encode_field(5, array.astype('<f4').tobytes()))
        layers += encode_field(100, encode_field(1, name.encode()) + encode_field(2, kind) + blobs)
    return encode_field(1, b'AlexNet') + layers


@pytest.fixture(params=['npy', 'npy of Python 2', 'npz', 'npz of a converter', 'caffemodel'])
def file(request, caffe, tmp_path):
    kind = request.param
    path = tmp_path / f'weights.{kind.split()[0]}'
    if kind == 'npy':
        np.save(path, convert(caffe), allow_pickle=True)
    elif kind == 'npy of Python 2':
        weights = np.array(convert(caffe), dtype=object)
        with path.open('wb') as out:
            header = {'descr': '|O', 'fortran_order': False, 'shape': ()}
            np.lib.format.write_array_header_1_0(out, header)
            pickle.dump(weights, out, protocol=2)
    elif kind == 'npz':
        np.savez(
            path,
            **{f'{n}/{k}': v[k == 'bias'] for n, v in caffe.items() for k in ('kernel', 'bias')},
        )
    elif kind == 'npz of a converter':
        np.savez(path, **{f'{n}_{k}': v[k == 'b'] for n, v in convert(caffe).items() for k in 'Wb'})
    else:
        pytest.importorskip('cv2', reason='needs OpenCV 4 to read .caffemodel')
        path.write_bytes(encode_caffemodel(caffe))
    return path


def build(**more):
    return alexnet.build(RECIPE, width=WIDTH, **{'num_classes': CLASSES, **more})


def assign(model, path, **options):
    weights = readers.read(path, topology.list_layer_names(model))
    return caffe_lib.assign(model, weights, file=path, **options)


def test_the_network_computes_what_caffe_computes(caffe, file):
    model = build()
    assigned, missing = assign(model, file)
    assert (len(assigned), missing) == (15, [])
    np.testing.assert_allclose(
        model(IMAGES), compute_caffe_logits(caffe, IMAGES), rtol=2e-3, atol=2e-4
    )


def save(tmp_path, weights):
    path = tmp_path / 'weights.npz'
    np.savez(
        path, **{f'{n}/{k}': v[k == 'bias'] for n, v in weights.items() for k in ('kernel', 'bias')}
    )
    return path


def test_another_number_of_classes_leaves_fc8_as_it_was(caffe, tmp_path):
    path = save(tmp_path, caffe)
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


def test_a_small_network_initialises_all_but_the_last_layer_of_another(tmp_path):
    first, other = (
        cifar.build(recipes.CIFAR13, num_classes=number, width=0.1, seed=number)
        for number in (10, 4)
    )
    path = tmp_path / 'variables.npz'
    np.savez(path, **{variable.path: variable.numpy() for variable in first.variables})
    assigned, missing = assign(other, path, allow_missing=True)
    assert (assigned, missing) == (['conv1_a', 'conv2_a', 'local3_a', 'local4_a'], ['fc5'])
    for name in assigned:
        kernels = (model.get_layer(name).kernel for model in (first, other))
        np.testing.assert_array_equal(*kernels)


def test_missing_layers_are_named(caffe, tmp_path):
    path = save(tmp_path, {name: caffe[name] for name in ('conv1', 'conv2')})
    with pytest.raises(errors.DataError, match='conv3_a, conv3_b, conv4_a'):
        assign(build(), path)


def test_weights_of_a_checkpoint_are_assigned(tmp_path):
    model, other = build(), build(seed=1)
    path = tmp_path / 'variables.npz'
    np.savez(path, **{variable.path: variable.numpy() for variable in other.trainable_variables})
    assign(model, path)
    np.testing.assert_array_equal(model(IMAGES), other(IMAGES))


@pytest.mark.parametrize('layer', ['conv2', 'conv4', 'fc6', 'fc7'])
def test_wrong_shapes_are_refused_by_name(caffe, tmp_path, layer):
    kernel, bias = caffe[layer]
    path = save(tmp_path, caffe | {layer: (kernel[:-2], bias[:-2])})
    with pytest.raises(errors.DataError, match=rf'{layer}_a/kernel would have the shape'):
        assign(build(), path)


def test_nan_values_are_refused(caffe, tmp_path):
    path = save(tmp_path, caffe | {'fc7': (np.full_like(caffe['fc7'][0], np.nan), caffe['fc7'][1])})
    with pytest.raises(errors.DataError, match='NaN or inf'):
        assign(build(), path)


@pytest.mark.parametrize('layer', ['fc6', 'fc8'])
@pytest.mark.parametrize('form', [dict, convert])
def test_the_layout_shows_in_fully_connected_layers_too(caffe, tmp_path, layer, form):
    model = build()
    path = save(tmp_path, form({layer: caffe[layer]}))
    caffe_lib.assign(model, readers.read(path, SHAPES), allow_missing=True, file=path)
    # Of fc6's 256 neurons, column a has the first half.
    kernel = model.get_layer('fc8' if layer == 'fc8' else 'fc6_a').kernel.numpy()
    expected = caffe[layer][0].T[:, : kernel.shape[1]]
    np.testing.assert_array_equal(np.sort(kernel, axis=0), np.sort(expected, axis=0))


def test_an_ambiguous_layout_is_refused(caffe, tmp_path):
    path = save(tmp_path, {'fc7': caffe['fc7']})
    with pytest.raises(errors.DataError, match='square kernels alone'):
        caffe_lib.assign(build(), readers.read(path, SHAPES), allow_missing=True, file=path)
