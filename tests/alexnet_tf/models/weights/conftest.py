"""Writes weight files byte by byte, without the libraries and the code that read them."""

import io
import json
import struct
import types
import zipfile
import zlib

import numpy as np
import pytest


@pytest.fixture(scope='session')
def encode():
    """Functions that encode weights as other programs do."""
    return types.SimpleNamespace(
        caffemodel=encode_caffemodel,
        caffemodel_of_2014=encode_caffemodel_of_2014,
        field=encode_field,
        legacy_torch=encode_legacy_torch,
        matlab=encode_matlab,
        safetensors=encode_safetensors,
        tensor=encode_tensor,
        torch=encode_torch,
        zip=encode_zip,
    )


# Protocol buffers.


def encode_varint(value: int) -> bytes:
    out = b''
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def encode_field(number: int, payload: bytes | int) -> bytes:
    """Encodes a field: bytes with their length, or an integer."""
    if isinstance(payload, int):
        return encode_varint(number << 3) + encode_varint(payload)
    return encode_varint(number << 3 | 2) + encode_varint(len(payload)) + payload


def encode_blob(array) -> bytes:
    shape = encode_field(7, encode_field(1, b''.join(encode_varint(size) for size in array.shape)))
    return shape + encode_field(5, array.astype('<f4').tobytes())


def encode_caffemodel(weights, order=()) -> bytes:
    """Encodes NetParameter { layer { name type blobs { data shape } } }.

    Args:
        weights: (kernel, bias) by layer.
        order: All layers as (name, type); those of the weights alone by default.
    """
    kinds = {'c': 'Convolution', 'f': 'InnerProduct'}
    layers = b''
    for name, kind in order or [(name, kinds[name[0]]) for name in weights]:
        blobs = b''.join(encode_field(7, encode_blob(array)) for array in weights.get(name, ()))
        layer = encode_field(1, name.encode()) + encode_field(2, kind.encode()) + blobs
        layers += encode_field(100, layer)
    return encode_field(1, b'AlexNet') + layers


def encode_caffemodel_of_2014(weights) -> bytes:
    """Encodes NetParameter { layers { name type blobs { num channels height width data } } }."""
    layers = b''
    for name, pair in weights.items():
        blobs = b''
        for array in pair:
            shape = (1,) * (4 - array.ndim) + array.shape
            blob = b''.join(encode_field(1 + i, size) for i, size in enumerate(shape))
            blobs += encode_field(6, blob + encode_field(5, array.astype('<f4').tobytes()))
        kind = 4 if name.startswith('conv') else 14
        layers += encode_field(2, encode_field(4, name.encode()) + encode_field(5, kind) + blobs)
    return layers


# Archives.


def encode_zip(members, compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


# PyTorch.


def encode_text(value: str) -> bytes:
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def encode_integers(*values: int) -> bytes:
    return b''.join(b'I%d\n' % value for value in values)


def encode_tensor(key, shape, strides, *, size, offset=0, kind='FloatStorage', view=b'') -> bytes:
    """Encodes a call of _rebuild_tensor_v2 on a storage outside the pickle."""
    storage = encode_text('storage') + f'ctorch\n{kind}\n'.encode() + encode_text(key)
    storage = b'(' + storage + encode_text('cpu') + encode_integers(size) + view + b'tQ'
    numbers = b'(' + encode_integers(*shape) + b't(' + encode_integers(*strides) + b't'
    hooks = b'\x89ccollections\nOrderedDict\n)R'
    call = storage + encode_integers(offset) + numbers + hooks
    return b'ctorch._utils\n_rebuild_tensor_v2\n(' + call + b'tR'


def encode_dictionary(items) -> bytes:
    entries = b''.join(encode_text(key) + value for key, value in items.items())
    return b'ccollections\nOrderedDict\n)R(' + entries + b'u'


def encode_torch(arrays, *, wrapper='', byteorder='', tensors=None, extra=()) -> bytes:
    """Encodes an archive of torch.save.

    Args:
        arrays: Float32 arrays by key.
        wrapper: The key of a dictionary around that of the tensors.
        byteorder: What the archive says, and how the storages are.
        tensors: Encoded tensors instead of those of the arrays, one storage an array all the same.
        extra: Further members.
    """
    order = '>f4' if byteorder == 'big' else '<f4'
    keys = {name: str(index) for index, name in enumerate(arrays)}
    items = tensors or {name: _encode_array(keys[name], array) for name, array in arrays.items()}
    root = encode_dictionary(items)
    if wrapper:
        root = encode_dictionary({'epoch': encode_integers(90), wrapper: root})
    members = [('archive/data.pkl', b'\x80\x02' + root + b'.')]
    members += [
        (f'archive/data/{keys[name]}', np.asarray(array).astype(order).tobytes())
        for name, array in arrays.items()
    ]
    members += [('archive/byteorder', byteorder)] if byteorder else []
    return encode_zip([*members, *extra])


def encode_legacy_torch(arrays, wrapper='') -> bytes:
    """Encodes a file of torch.save before 1.6: five pickles, then the storages."""
    keys = {name: str(index) for index, name in enumerate(arrays)}
    root = encode_dictionary(
        {name: _encode_array(keys[name], array, view=b'N') for name, array in arrays.items()}
    )
    if wrapper:
        root = encode_dictionary({'epoch': encode_integers(90), wrapper: root})
    magic = b'\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19'
    system = b'}' + encode_text('little_endian') + b'\x88s'
    listed = b'](' + b''.join(encode_text(key) for key in keys.values()) + b'e'
    pickles = [magic, encode_integers(1001), system, root, listed]
    storages = b''.join(
        struct.pack('<q', array.size) + array.astype('<f4').tobytes() for array in arrays.values()
    )
    return b''.join(b'\x80\x02' + pickle + b'.' for pickle in pickles) + storages


def _encode_array(key, array, view=b'') -> bytes:
    strides = [int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
    return encode_tensor(key, array.shape, strides, size=array.size, view=view)


# safetensors.


def encode_safetensors(arrays, metadata=None) -> bytes:
    names = {'float32': 'F32', 'float16': 'F16', 'bfloat16': 'BF16', 'int64': 'I64'}
    header, data = {'__metadata__': metadata} if metadata else {}, b''
    for name, array in arrays.items():
        start, data = len(data), data + array.tobytes()
        kind = names[str(array.dtype)]
        header[name] = {'dtype': kind, 'shape': array.shape, 'data_offsets': [start, len(data)]}
    encoded = json.dumps(header).encode()
    return struct.pack('<Q', len(encoded)) + encoded + data


# MATLAB.


def encode_matlab(*elements: bytes, compressed=False) -> bytes:
    header = b'MATLAB 5.0 MAT-file'.ljust(124) + struct.pack('<H', 0x0100) + b'IM'
    if compressed:
        packed = [zlib.compress(element) for element in elements]
        elements = [struct.pack('<II', 15, len(element)) + element for element in packed]
    return header + b''.join(elements)
