"""MatConvNet's networks, written by SciPy and byte by byte."""

import struct
import zlib

import numpy as np
import pytest
import scipy.io

from alexnet_tf.models.weights import matconvnet, matlab, weight_file
from input_pipeline import errors

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
BIAS = np.array([[1, 2]], np.float32)
MEAN = np.arange(12, dtype=np.float32).reshape(2, 2, 3)


def make_cell(*values):
    cell = np.empty((1, len(values)), dtype=object)
    cell[0] = values
    return cell


def make_network(**meta):
    return {
        'layers': make_cell(
            {'name': 'conv1', 'type': 'conv', 'weights': make_cell(KERNEL, BIAS), 'pad': [0.0]},
            {'name': 'relu1', 'type': 'relu'},
            {'name': 'norm1', 'type': 'normalize', 'param': np.array([5, 1, 2e-5, 0.75])},
            {'name': 'pool1', 'type': 'pool', 'method': 'max'},
        ),
        **meta,
    }


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('is_nested', [False, True])
def test_layers_arrays_and_the_mean_are_read(is_nested, compressed, tmp_path):
    path = tmp_path / 'alex.mat'
    normalization = {'averageImage': MEAN, 'imageSize': np.array([227.0, 227.0, 3.0])}
    if is_nested:
        network = {'net': make_network(meta={'normalization': normalization})}
    else:
        network = make_network(normalization=normalization)
    scipy.io.savemat(path, network, do_compression=compressed)
    file = matconvnet.read(path)
    assert sorted(file.arrays) == ['averageImage', 'conv1/0', 'conv1/1']
    for name, expected in (('conv1/0', KERNEL), ('conv1/1', BIAS), ('averageImage', MEAN)):
        np.testing.assert_array_equal(file.arrays[name], expected)
    kinds = ['convolution', 'relu', 'normalization', 'max_pool']
    assert [layer.kind for layer in file.layers] == kinds
    assert file.layers[2].name == 'norm1'


def test_weights_of_old_versions_are_read(tmp_path):
    layer = {'name': 'conv1', 'type': 'conv', 'filters': KERNEL, 'biases': BIAS}
    scipy.io.savemat(tmp_path / 'old.mat', {'layers': make_cell(layer)})
    arrays = matconvnet.read(tmp_path / 'old.mat').arrays
    np.testing.assert_array_equal(arrays['conv1/0'], KERNEL)


def test_a_graph_of_layers_is_read_with_the_parameters_that_layers_name(tmp_path):
    layers, parameters = (
        np.array([tuple(entry) for entry in entries], dtype=[(name, object) for name in names])
        for names, entries in (
            (('name', 'type', 'params'), LAYERS_OF_A_GRAPH),
            (('name', 'value'), [('conv1b', BIAS), ('conv1f', KERNEL)]),
        )
    )
    classes = {'name': make_cell('n01440764', 'n01443537'), 'description': make_cell('tench', '')}
    network = {'layers': layers, 'params': parameters, 'meta': {'classes': classes}}
    scipy.io.savemat(tmp_path / 'dag.mat', {'net': network})
    file = matconvnet.read(tmp_path / 'dag.mat')
    assert [layer.kind for layer in file.layers] == ['convolution', 'normalization', 'max_pool']
    assert sorted(file.arrays) == ['conv1/0', 'conv1/1']
    np.testing.assert_array_equal(file.arrays['conv1/0'], KERNEL)
    assert file.classes == ['n01440764 tench', 'n01443537']


LAYERS_OF_A_GRAPH = [
    ('conv1', 'dagnn.Conv', make_cell('conv1f', 'conv1b')),
    ('norm1', 'dagnn.LRN', np.empty((1, 0), object)),
    ('pool1', 'dagnn.Pooling', np.empty((1, 0), object)),
]


def test_a_file_without_layers_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / 'a.mat', {'layers': KERNEL})
    with pytest.raises(errors.DataError, match='no layers of MatConvNet'):
        matconvnet.read(tmp_path / 'a.mat')


# Elements by hand: (type, size) and the data.


def make_element(kind: int, data: bytes) -> bytes:
    return struct.pack('<II', kind, len(data)) + data + bytes(-len(data) % 8)


def make_matrix(kind: int, *parts: bytes, dims=(1, 1), name=b'') -> bytes:
    flags = make_element(6, struct.pack('<II', kind, 0))
    shape = make_element(5, struct.pack(f'<{len(dims)}i', *dims))
    return make_element(14, flags + shape + make_element(1, name) + b''.join(parts))


def test_every_kind_of_value_is_read(encode):
    number = make_matrix(6, make_element(2, b'\x07'), name=b'x')  # a double, stored as a byte
    text = make_matrix(4, make_element(17, 'héllo'.encode('utf-16-le')), dims=(1, 5), name=b't')
    function = make_matrix(16, name=b'f')
    content = encode.matlab(number, text, function, make_matrix(1, name=b'c', dims=(0, 0)))
    variables = matlab.parse(content)
    assert variables == {'x': np.array([[7]]), 't': 'héllo', 'f': None, 'c': []}


@pytest.mark.parametrize(
    ('kind', 'encoding'),
    [(2, 'latin-1'), (4, 'utf-16-le'), (16, 'utf-8'), (17, 'utf-16-le'), (18, 'utf-32-le')],
)
def test_text_is_read_in_the_encoding_of_its_type(encode, kind, encoding):
    expected = 'café' if kind == 2 else 'café 🐈'
    text = make_matrix(4, make_element(kind, expected.encode(encoding)), name=b't')
    assert matlab.parse(encode.matlab(text)) == {'t': expected}


def test_text_that_is_in_no_encoding_has_replacements(encode):
    text = make_matrix(4, make_element(17, b'a\0\0\xd8'), name=b't')  # half of a pair
    assert matlab.parse(encode.matlab(text)) == {'t': 'a\ufffd'}


def test_memory_is_bounded_by_what_a_file_unpacks_to(encode):
    """An element without data takes 8 bytes of a file, and far more as a value."""
    text = make_matrix(4, make_element(1, bytes(1_000_001)), dims=(1, 1_000_001), name=b't')
    assert matlab.parse(encode.matlab(text)) == {'t': None}
    empty = struct.pack('<II', 2, 0)
    with pytest.raises(errors.DataError, match='more than 100,000 elements'):
        matlab.parse(encode.matlab(make_matrix(6, empty * 100_001), compressed=True))


def test_hostile_files_are_refused(encode, monkeypatch):
    monkeypatch.setattr(weight_file, 'MAX_BYTES', 1 << 20)
    number = make_element(9, struct.pack('<d', 1))
    nested = make_matrix(6, number)
    for _ in range(40):
        nested = make_matrix(1, nested)
    packed = zlib.compress(number)[:-6]
    cut = encode.matlab(struct.pack('<II', 15, len(packed)) + packed)
    hostile = {
        encode.matlab(nested): 'nested more than 20 deep',
        encode.matlab(make_matrix(6, number, dims=(1 << 30, 1 << 30))): 'bytes; weights of at most',
        encode.matlab(make_matrix(6, number, dims=(1,) * 65)): 'an array of 65 dimensions',
        encode.matlab(make_matrix(6, number, dims=(-1, 1))): r'has the shape \(-1, 1\)',
        encode.matlab(make_matrix(6, number)[:-4]): 'an element of 56 bytes runs past the end',
        encode.matlab(make_element(14, bytes(4 << 20)), compressed=True): 'weights of at most',
        encode.matlab(make_matrix(6, make_element(99, b''))): 'unknown type 99',
        b'MATLAB 7.3 MAT-file'.ljust(128) + b'\x89HDF\r\n\x1a\n': 'Save it in MATLAB with the op',
        encode.matlab(number, compressed=True)[:-4]: 'an element of .* runs past the end',
        cut: 'a compressed element is cut',
        bytes(200): 'it is no MAT-file of MATLAB 5',
    }
    for content, message in hostile.items():
        with pytest.raises(errors.DataError, match=message):
            matlab.parse(content)
