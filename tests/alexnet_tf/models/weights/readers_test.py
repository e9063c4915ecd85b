"""Weight files of other programs, broken and hostile ones among them."""

import os
import struct

import numpy as np
import pytest

from alexnet_tf.models.weights import readers
from input_pipeline import errors

LAYERS = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8')


class HostilePickle:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize('call', [os.system, eval, getattr, np.load, np.fromfile])
def test_a_pickle_that_calls_anything_is_refused(call, tmp_path):
    path, trace = tmp_path / 'bad.npy', tmp_path / 'trace'
    np.save(path, {'conv1': [HostilePickle(call, f'touch {trace}'), 1]}, allow_pickle=True)
    with pytest.raises(errors.DataError, match='only arrays of numbers are admitted'):
        readers.read(path, LAYERS)
    assert not trace.exists()


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


@pytest.mark.parametrize(
    ('layer', 'kernel', 'message'),
    [
        ('conv1', np.array([['a']]), 'expected numbers'),
        ('conv1', np.ones((3, 6)), 'expected 4 dimensions'),
        ('conv2', np.float32(1), 'no layer of AlexNet has'),
        ('fc6', np.float32(1), 'no layer of AlexNet has'),
        ('fc7', np.ones((2, 3, 4)), 'no layer of AlexNet has'),
    ],
)
def test_arrays_that_are_no_kernels_are_refused_by_name(tmp_path, layer, kernel, message):
    path = tmp_path / 'weights.npz'
    fc7 = {'fc7/kernel': np.ones((6, 6)), 'fc7/bias': np.ones(6)}
    np.savez(path, **fc7 | {f'{layer}/kernel': kernel, f'{layer}/bias': np.ones(6)})
    with pytest.raises(errors.DataError, match=f'{layer}.*{message}'):
        readers.read(path, LAYERS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(errors.DataError, match=r'/gone\.npy: no such file'):
        readers.read(tmp_path / 'gone.npy', LAYERS)
