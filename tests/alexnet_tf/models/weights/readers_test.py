"""Weight files that are broken or hostile: one sentence each, whatever is wrong."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import onnx
import pytest

from alexnet_tf.models.weights import keras_files, readers, weight_file
from input_pipeline import errors

KERNEL, BIAS = np.ones((4, 3, 2, 2), np.float32), np.ones(4, np.float32)
STATE = {'features.0.weight': KERNEL, 'features.0.bias': BIAS}
LIMIT = 1 << 20


class HostilePickle:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def read(path, content):
    path.write_bytes(content)
    return readers.read(path)


@pytest.mark.parametrize('call', [os.system, eval, getattr, np.load, np.fromfile])
@pytest.mark.parametrize('name', ['bad.npy', 'zip.pth', 'legacy.pth'])
def test_a_pickle_that_calls_anything_is_refused(name, call, tmp_path, encode):
    trace = tmp_path / 'trace'
    hostile = HostilePickle(call, f'touch {trace}')
    buffer = io.BytesIO()
    np.save(buffer, {'conv1': [hostile, 1]}, allow_pickle=True)
    pickled = pickle.dumps(hostile, 2)
    content = {
        'bad.npy': buffer.getvalue(),
        'zip.pth': encode.zip([('archive/data.pkl', pickled)]),
        'legacy.pth': pickled,
    }
    with pytest.raises(errors.DataError, match=rf'{name}: its pickle asks for \w+\.\w+'):
        read(tmp_path / name, content[name])
    assert not trace.exists()


@pytest.mark.parametrize(
    'content',
    [b'', b'\x93NUMPY', b'\x93NUMPY\x01\x00\x10\x00' + b'x' * 16, struct.pack('<Q', 7) * 9],
)
@pytest.mark.parametrize('suffix', readers.SUFFIXES)
def test_broken_files_are_data_errors(suffix, content, tmp_path):
    with pytest.raises(errors.DataError, match=f'broken{suffix}: '):
        read(tmp_path / f'broken{suffix}', content)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'version https://git-lfs.github.com/spec/v1', 'a pointer of Git LFS'),
        (b'\n<!DOCTYPE html>', 'a web page'),
        (b'PK\x03\x04' + bytes(99), 'an archive without its end'),
    ],
)
def test_what_came_of_a_download_instead_is_named(content, message, tmp_path):
    with pytest.raises(errors.DataError, match=rf'alexnet\.pth: it is {message}.* Download it ag'):
        read(tmp_path / 'alexnet.pth', content)


@pytest.mark.parametrize('suffix', readers.SUFFIXES)
def test_a_file_over_the_limit_is_not_read(suffix, tmp_path):
    path = tmp_path / f'huge{suffix}'
    with path.open('wb') as file:
        file.truncate(weight_file.MAX_BYTES + 1)
    with pytest.raises(errors.DataError, match='huge'):
        readers.read(path)


def test_a_single_array_and_a_list_are_refused(tmp_path):
    np.save(tmp_path / 'one.npy', np.ones(3))
    np.save(tmp_path / 'list.npy', np.array([1, 'a', None], dtype=object), allow_pickle=True)
    for name in ('one', 'list'):
        with pytest.raises(errors.DataError, match=f'{name}.npy'):
            readers.read(tmp_path / f'{name}.npy')


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(errors.DataError, match=r'/gone\.npy: no such file'):
        readers.read(tmp_path / 'gone.npy')
    with pytest.raises(errors.DataError, match=r'is a folder\. Name a weight file'):
        readers.read(tmp_path)
    with pytest.raises(errors.DataError, match=r'a\.zip: expected one of \.npy'):
        read(tmp_path / 'a.zip', b'')


# Archives.


def deflate(*members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def change_directory(archive: bytes, offset: int, value: bytes) -> bytes:
    """Replaces bytes of the first entry of an archive's directory."""
    start = archive.index(b'PK\x01\x02') + offset
    return archive[:start] + value + archive[start + len(value) :]


ARCHIVES = {
    r'its content has 4,194,\d+ bytes; weights of at most': lambda: deflate(
        ('a.npy', bytes(4 * LIMIT + 100))
    ),
    'its members overlap': lambda: change_directory(
        deflate(('a.npy', b'abc'), ('b.npy', b'abc')), 20, struct.pack('<I', 500)
    ),
    "its member '../a.npy' lies outside": lambda: deflate(('../a.npy', b'')),
    "its member '/etc/a.npy' lies outside": lambda: deflate(('/etc/a.npy', b'')),
    "its member 'a.npy' is compressed in an unusual way": lambda: deflate(
        ('a.npy', b'abc'), compression=zipfile.ZIP_BZIP2
    ),
    "its member 'a.npy' is encrypted": lambda: change_directory(
        deflate(('a.npy', b'abc')), 8, b'\x01'
    ),
    'it has 10,001 members': lambda: deflate(*((f'{i}.npy', b'') for i in range(10_001))),
}


@pytest.mark.parametrize('message', ARCHIVES)
@pytest.mark.parametrize('suffix', ['.npz', '.pth', '.keras'])
def test_hostile_archives_are_refused(message, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(weight_file, 'MAX_BYTES', LIMIT)
    with pytest.raises(errors.DataError, match=message):
        read(tmp_path / f'bad{suffix}', ARCHIVES[message]())


def test_a_member_is_not_decompressed_beyond_the_size_that_it_claims(tmp_path):
    archive = deflate(('a.npy', bytes(256 * LIMIT)))
    path = tmp_path / 'bad.npz'
    path.write_bytes(change_directory(archive, 24, struct.pack('<I', 100)))
    tracemalloc.start()
    with pytest.raises(errors.DataError, match='not readable as weights'):
        readers.read(path)
    assert tracemalloc.get_traced_memory()[1] < 16 * LIMIT
    tracemalloc.stop()


@pytest.mark.parametrize('suffix', ['.npz', '.pth', '.keras'])
def test_an_archive_whose_list_of_members_is_huge_is_refused_before_it_is_read(suffix, tmp_path):
    archive = bytearray(deflate(('a.npy', b'')))
    archive[-10:-6] = struct.pack('<I', 1 << 30)  # the size of the list, in the record at the end
    message = 'its list of members has 1,073,741,824 bytes'
    with pytest.raises(errors.DataError, match=message):
        read(tmp_path / f'bad{suffix}', bytes(archive))


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r"it has two members 'a\.npy'"):
        read(tmp_path / 'bad.npz', deflate(('a.npy', b''), ('a.npy', b'')))


# Headers that claim what is not there.


def make_npy(shape, data=b'1234', dtype='<f4') -> bytes:
    buffer = io.BytesIO()
    header = {'descr': dtype, 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


@pytest.mark.parametrize(
    ('shape', 'dtype', 'message'),
    [
        ((1 << 40, 2), '<f4', r'a.npy has 8,796,093,022,208 bytes; weights of at most'),
        ((2,), '<f4', r'a.npy has 4 bytes, but its shape \(2,\) of float32 needs 8'),
        ((-1,), '<f4', r'a.npy has the shape \(-1,\)'),
        ((), 'O', 'a.npy holds objects'),
    ],
)
def test_headers_of_numpy_are_checked(shape, dtype, message, tmp_path):
    with pytest.raises(errors.DataError, match=message):
        read(tmp_path / 'bad.npz', deflate(('a.npy', make_npy(shape, dtype=dtype))))


def test_both_byte_orders_of_numpy_are_read(tmp_path):
    values = np.arange(3, dtype='>f4')
    file = read(tmp_path / 'a.npz', deflate(('a.npy', make_npy((3,), values.tobytes(), '>f4'))))
    np.testing.assert_array_equal(file.arrays['a'], [0, 1, 2])


def test_headers_of_safetensors_are_checked(tmp_path, encode):
    pytest.importorskip('safetensors')
    good = encode.safetensors(STATE)
    for name, content in {
        'a header of terabytes': struct.pack('<Q', 1 << 45) + good[8:],
        'data of terabytes': good.replace(b'[4, 3, 2, 2]', b'[4, 3, 2, 9]'),
        'overlapping data': good.replace(b'[192, 208]', b'[100, 116]'),
        'cut data': good[:-8],
    }.items():
        with pytest.raises(errors.DataError, match='not readable as weights'):
            read(tmp_path / f'{name}.safetensors', content)


# PyTorch.

# A persistent id whose key holds a tuple twice, and so on: 2 ** 60 times as text.
LAUGHS = b'\x80\x02(X\x07\0\0\0storageN)' + b'2\x86' * 60 + b'NI1\ntQ.'
WRONG_TENSORS = {
    r'of shape \(4, 3, 2, 3\) reaches number 72 of its storage, which has 48': (
        (4, 3, 2, 3),
        (18, 6, 3, 1),
        {},
    ),
    r'reaches number 49': ((48,), (1,), {'offset': 1}),
    r'features.0.weight has 4,000,000,000,000 bytes': ((1_000_000, 1_000_000), (0, 0), {}),
    'negative or unknown size': ((48,), (1,), {'offset': -1}),
    'has 1 sizes, but 2 strides': ((48,), (1, 1), {}),
    'storage 0 has 192 bytes, but its shape': ((49,), (1,), {'size': 49}),
    r'it lacks archive/data/\.\./7': ((1,), (1,), {'key': '../7'}),
    r'part outside itself: \(-4': ((1,), (1,), {'size': -4}),
    r'part outside itself: \(48, 9, 40\)': (
        (1,),
        (1,),
        {'view': b'(X\x01\x00\x00\x00vI9\nI40\nt'},
    ),
}


@pytest.mark.parametrize('message', WRONG_TENSORS)
def test_tensors_outside_their_storages_are_refused(message, tmp_path, encode):
    shape, strides, options = WRONG_TENSORS[message]
    options = {'key': '0', 'size': 48} | options
    tensors = {'features.0.weight': encode.tensor(options.pop('key'), shape, strides, **options)}
    with pytest.raises(errors.DataError, match=message):
        read(tmp_path / 'bad.pth', encode.torch({'a': KERNEL}, tensors=tensors))


def test_a_pickle_cannot_change_a_storage_or_a_tensor_that_was_checked(tmp_path, encode):
    """BUILD would set the length, and the reader follow it out of the file's memory."""
    tensor = encode.tensor('0', (1,), (1,), size=48)
    change = b'}X\x06\x00\x00\x00lengthJ\xff\xff\xff\x7fsb'
    storage, call = tensor.split(b'Q')
    for changed in (storage + b'Q' + change + call, tensor + change):
        content = encode.torch({'a': KERNEL}, tensors={'features.0.weight': changed})
        with pytest.raises(errors.DataError, match='not readable as weights'):
            read(tmp_path / 'bad.pth', content)


def test_a_tensor_of_too_many_dimensions_is_refused(tmp_path, encode):
    """The product of 100,000 sizes would have a million digits."""
    sizes = (1 << 60,) * 100
    tensors = {'a': encode.tensor('0', sizes, sizes, size=48)}
    with pytest.raises(errors.DataError, match='a has 100 dimensions'):
        read(tmp_path / 'bad.pth', encode.torch({'b': KERNEL}, tensors=tensors))


def test_archives_of_pytorch_without_tensors_are_refused(tmp_path, encode):
    for content, message in {
        encode.zip([('data/0', b'')]): 'it has 0 members data.pkl',
        encode.torch(STATE, extra=[('other/data.pkl', b'N.')]): 'it has 2 members data.pkl',
        encode.zip([('a/data.pkl', b'N.')]): 'it holds no dictionary of tensors',
        encode.zip([('a/data.pkl', b'c__torch__\nNet\n.')]): 'asks for __torch__.Net',
        encode.zip([('a/data.pkl', b'ctorch\nFloatStorage\n(I9\ntR.')]): 'a storage made by',
        encode.zip([('a/data.pkl', LAUGHS)]): 'an object outside the file that is no storage',
    }.items():
        with pytest.raises(errors.DataError, match=message):
            read(tmp_path / 'bad.pth', content)


def test_cut_files_of_old_pytorch_are_refused(tmp_path, encode):
    content = encode.legacy_torch(STATE)
    with pytest.raises(errors.DataError, match=r'storage 1 has 8 bytes, but its shape \(4,\)'):
        read(tmp_path / 'cut.pth', content[:-8])
    one, two = (b'X\x01\x00\x00\x00' + key for key in (b'0', b'1'))
    twice = content.replace(one + two, one + one)  # the list of keys
    assert twice != content
    with pytest.raises(errors.DataError, match='it lists a storage that has no name'):
        read(tmp_path / 'unnamed.pth', content.replace(one + two, b'))'))
    with pytest.raises(errors.DataError, match='it holds storage 0 twice'):
        read(tmp_path / 'twice.pth', twice)


# Caffe and ONNX.

EMPTY = {  # messages without content; each costs two bytes of a file
    'layers.caffemodel': lambda field, many: field(100, b'') * many,
    'old_layers.caffemodel': lambda field, many: field(2, b'') * many,
    'blobs.caffemodel': lambda field, many: field(100, field(7, b'') * many),
    'sizes.caffemodel': lambda field, many: field(100, field(7, field(7, field(1, bytes(many))))),
    'graphs.onnx': lambda field, many: field(7, b'') * many,
    'nodes.onnx': lambda field, many: field(7, field(1, b'') * many),
    'tensors.onnx': lambda field, many: field(7, field(5, b'') * many),
    'sizes.onnx': lambda field, many: field(7, field(5, field(1, bytes(many)))),
    'old_sizes.onnx': lambda field, many: field(7, field(5, field(1, 1) * many)),
}


@pytest.mark.parametrize('name', EMPTY)
def test_a_file_of_empty_messages_is_refused_before_it_is_parsed(name, tmp_path, encode):
    path = tmp_path / name
    path.write_bytes(EMPTY[name](encode.field, 100_001))
    with pytest.raises(errors.DataError, match=f'{name}: it has more than 100,000 fields'):
        readers.read(path)


def test_wrong_blobs_of_caffe_are_refused(tmp_path, encode):
    def make_layer(*blobs, name=b'conv1'):
        layer = encode.field(1, name) + b''.join(encode.field(7, blob) for blob in blobs)
        return encode.field(100, layer)

    def make_blob(*dims):
        data = encode.field(5, BIAS.tobytes())
        return b''.join(encode.field(1 + i, size) for i, size in enumerate(dims)) + data

    for content, message in {
        make_layer(make_blob(1, 1, 1, 5)): r'conv1/0 has 16 bytes, but its shape \(1, 1, 1, 5\)',
        make_layer(make_blob(1 << 30, 1 << 30, 1, 1)): 'conv1/0 has 4,611,686,018,427,387,904 by',
        make_layer(make_blob(1, 1, 1, 4)) * 2: 'two arrays are called conv1/0',
        make_layer(make_blob(1, 1, 1, 4))[:-1]: 'not readable as weights',
        encode.field(1, b'empty'): 'it holds no layers',
        make_layer(): 'it holds no arrays',
    }.items():
        with pytest.raises(errors.DataError, match=message):
            read(tmp_path / 'bad.caffemodel', content)


def test_wrong_initialisers_of_onnx_are_refused(tmp_path):
    def make_model(*tensors):
        graph = onnx.helper.make_graph([], 'graph', [], [], tensors)
        return onnx.helper.make_model(graph).SerializeToString()

    good = onnx.numpy_helper.from_array(BIAS, 'conv1_b_0')
    external, huge = onnx.TensorProto(), onnx.TensorProto()
    external.CopyFrom(good)
    external.data_location = onnx.TensorProto.EXTERNAL
    external.external_data.add(key='location', value='/etc/passwd')
    huge.CopyFrom(good)
    huge.dims[:] = [1 << 40]
    for content, message in {
        make_model(external): 'conv1_b_0 lies in another file',
        make_model(huge): 'conv1_b_0 has 4,398,046,511,104 bytes',
        make_model(good, good): 'two arrays are called conv1_b_0',
        make_model(good)[:-3]: 'not readable as weights',
        make_model(good).replace(b'conv1_b_0', b'conv1_b_\xff'): 'is not UTF-8',
    }.items():
        with pytest.raises(errors.DataError, match=message):
            read(tmp_path / 'bad.onnx', content)


def test_two_byte_numbers_of_onnx_are_read_from_packed_integers(tmp_path):
    values, model = np.array([-1.5, 0.0, 65504.0, 3e-5], np.float16), onnx.ModelProto()
    bits = values.view(np.uint16)
    for kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16):
        tensor = model.graph.initializer.add(data_type=kind, dims=[4], name=f'conv{kind}')
        tensor.int32_data.extend(bits.tolist())
    arrays = read(tmp_path / 'half.onnx', model.SerializeToString()).arrays
    np.testing.assert_array_equal(arrays['conv10'], values.astype(np.float32))
    np.testing.assert_array_equal(
        np.asarray(arrays['conv16'], np.float32).view(np.uint32), bits.astype(np.uint32) << 16
    )
    for number in (1 << 16, 1 << 21, -1):
        tensor.int32_data[0] = number
        with pytest.raises(errors.DataError, match='packed numbers that are no 16 bits'):
            read(tmp_path / 'half.onnx', model.SerializeToString())


# Keras.


def test_bfloat16_of_keras_is_read(tmp_path):
    layer = keras.layers.Dense(3, dtype='bfloat16', name='fc6')
    model = keras.Sequential([keras.Input([2]), layer])
    model.save_weights(tmp_path / 'narrow.weights.h5')
    array = readers.read(tmp_path / 'narrow.weights.h5').arrays['fc6/0']
    np.testing.assert_array_equal(np.asarray(array, np.float32), np.float32(layer.kernel.numpy()))


def test_files_of_keras_that_refer_to_others_are_refused(tmp_path):
    (tmp_path / 'secret').write_bytes(bytes(16))
    layout = h5py.VirtualLayout((4,), 'f4')
    with h5py.File(tmp_path / 'source.h5', 'w') as file:
        file['a'] = BIAS
    layout[:] = h5py.VirtualSource(str(tmp_path / 'source.h5'), 'a', (4,))
    for kind in ('external', 'virtual', 'huge', 'link'):
        path = tmp_path / f'{kind}.h5'
        with h5py.File(path, 'w') as file:
            if kind == 'external':
                external = [(str(tmp_path / 'secret'), 0, 16)]
                file.create_dataset('conv1/kernel', (4,), 'f4', external=external)
            elif kind == 'virtual':
                file.create_virtual_dataset('conv1/kernel', layout)
            elif kind == 'huge':
                file.create_dataset('conv1/kernel', (1 << 20, 1 << 20), 'f4', chunks=(1, 1024))
            else:
                file['kernel'] = h5py.ExternalLink(str(tmp_path / 'source.h5'), 'a')
        message = {'huge': 'conv1/kernel has 4,398,046,511,104 bytes', 'link': 'no arrays'}
        with pytest.raises(errors.DataError, match=message.get(kind, 'lies in another file')):
            readers.read(path)


def test_arrays_that_are_too_large_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_file, 'MAX_BYTES', LIMIT)
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        for name in 'ab':  # compressed, so that the file itself is small
            values = np.zeros(LIMIT * 3 // 16, np.float32)
            file.create_dataset(name, data=values, compression='gzip')
    with pytest.raises(errors.DataError, match='its content has 1,572,864 bytes'):
        readers.read(tmp_path / 'a.h5')


def test_a_file_of_too_many_groups_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_files, '_MAX_ITEMS', 5)
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        for name in 'abc':
            file.create_group(f'{name}/{name}')
    with pytest.raises(errors.DataError, match='more than 5 groups and data sets'):
        readers.read(tmp_path / 'a.h5')


def test_an_archive_of_keras_needs_weights_and_its_code_does_not_run(tmp_path, encode):
    trace = tmp_path / 'trace'
    layer = f'{{"class_name": "Lambda", "name": "x", "config": "open(\'{trace}\', \'w\')"}}'
    config = f'{{"config": {{"layers": [{layer}]}}}}'
    with pytest.raises(errors.DataError, match=r'it lacks model\.weights\.h5'):
        read(tmp_path / 'bad.keras', encode.zip([('config.json', config)]))
    buffer = io.BytesIO()
    with h5py.File(buffer, 'w') as file:
        file['layers/x/vars/0'] = BIAS
    members = [('config.json', config), ('model.weights.h5', buffer.getvalue())]
    file = read(tmp_path / 'lambda.keras', encode.zip(members))
    assert [layer.kind for layer in file.layers] == ['Lambda']
    assert not trace.exists()


def test_doubled_references_of_a_pickle_cost_nothing(tmp_path):
    """Lists that hold one list twice, 60 deep, would be 2 ** 60 lists."""
    nested = [np.ones(2)]
    for _ in range(60):
        nested = [nested, nested]
    np.save(tmp_path / 'laughs.npy', {'conv1': nested}, allow_pickle=True)
    with pytest.raises(errors.DataError, match='conv1/0 is no array'):
        readers.read(tmp_path / 'laughs.npy')
