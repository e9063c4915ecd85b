"""Fuzzes the readers of weight files, of all formats, and what recognises layers in them.

`python tests/fuzz/fuzz_weights.py --minutes 60` looks for files that end a process, hang, take
gigabytes, or fail in another way than by a `DataError`. The first byte of an input chooses the
format; some formats are also fuzzed behind a checksum or a compression, which mutations break.
"""

import io
import os
import pathlib
import struct
import sys
import tempfile
import zlib

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
ROOT = pathlib.Path(__file__).parents[2]
WEIGHTS_TESTS = ROOT / 'tests' / 'alexnet_tf' / 'models' / 'weights'
sys.path[:0] = [str(ROOT), str(WEIGHTS_TESTS), str(pathlib.Path(__file__).parent)]

import conftest as encoding  # noqa: E402 - its place is known from here on
import fuzzing  # noqa: E402
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import onnx  # noqa: E402

FUZZED = ['alexnet_tf.models.weights', 'input_pipeline.array_pickle']
with fuzzing.import_atheris().instrument_imports(include=FUZZED):
    import matconvnet_test as matlab  # its imports, too, must be instrumented

    from alexnet_tf.models.weights import readers, recognition
    from input_pipeline import errors

KERNEL = np.arange(48, dtype=np.float32).reshape(4, 3, 2, 2)
BIAS = np.ones(4, np.float32)
STATE = {'features.0.weight': KERNEL, 'features.0.bias': BIAS}
LAYERS = {'conv1': (KERNEL, BIAS), 'fc8': (np.ones((3, 5), np.float32), np.ones(3, np.float32))}
NUMBERS = KERNEL.tobytes()


def wrap_pickle(data: bytes) -> bytes:
    return encoding.encode_zip([('a/data.pkl', data), ('a/data/0', NUMBERS)])


def wrap_keras(data: bytes) -> bytes:
    return encoding.encode_zip([('config.json', data[:99]), ('model.weights.h5', data[99:])])


def wrap_matlab(data: bytes) -> bytes:
    packed = zlib.compress(data)
    return encoding.encode_matlab(struct.pack('<II', 15, len(packed)) + packed)


# Suffix, and what is put around an input.
KINDS = [
    *((suffix, bytes) for suffix in readers.SUFFIXES),
    ('.pth', wrap_pickle),
    ('.npz', lambda data: encoding.encode_zip([('conv1/kernel.npy', data)])),
    ('.keras', wrap_keras),
    ('.mat', wrap_matlab),
]
NUMBER = {suffix: number for number, (suffix, _) in reversed([*enumerate(KINDS)])}


def read(data: bytes) -> None:
    """Reads a file of the kind that the first byte chooses, and every number in it."""
    suffix, wrap = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    path = FOLDER / f'fuzzed{suffix}'
    path.write_bytes(wrap(data[1:]))
    try:
        file = readers.read(path)
        for array in file.arrays.values():
            array.tobytes()
        recognition.recognize(file)
    except errors.DataError:
        pass


def save(write, *values, **named) -> bytes:
    buffer = io.BytesIO()
    write(buffer, *values, **named)
    return buffer.getvalue()


def save_h5(**options) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, 'w') as file:
        for name, array in zip(('kernel', 'bias'), LAYERS['conv1'], strict=True):
            file.create_dataset(f'conv1/conv1/{name}', data=array, **options)
        file['conv1'].attrs['name'] = 'conv1'
    return buffer.getvalue()


def list_seeds():
    """Yields a file of each kind, as programs write them."""
    network = encoding.encode_matlab
    array = matlab.make_matrix(6, matlab.make_element(7, NUMBERS), dims=(4, 3, 2, 2), name=b'w')
    text = matlab.make_matrix(4, matlab.make_element(16, b'conv'), dims=(1, 4), name=b'type')
    cell = matlab.make_matrix(1, array, text, dims=(1, 2), name=b'layers')
    names = [onnx.numpy_helper.from_array(KERNEL, 'conv1_w_0')]
    names.append(onnx.numpy_helper.from_array(BIAS, 'conv1_b_0'))
    graph = onnx.helper.make_graph([], 'graph', [], [], names)
    npy = save(np.save, KERNEL)
    torch = [encoding.encode_torch(STATE), encoding.encode_torch(STATE, byteorder='big')]
    pickled = encoding.encode_dictionary(
        {'a': encoding.encode_tensor('0', (4, 3, 2, 2), (12, 4, 2, 1), size=48)}
    )
    files = {
        '.npy': [save(np.save, {'conv1': {'weights': KERNEL, 'biases': BIAS}})],
        '.npz': [save(np.savez, **{'conv1/kernel': KERNEL, 'conv1/bias': BIAS})],
        '.caffemodel': [
            encoding.encode_caffemodel(LAYERS),
            encoding.encode_caffemodel_of_2014(LAYERS),
        ],
        '.pth': [*torch, encoding.encode_legacy_torch(STATE, 'state_dict')],
        '.safetensors': [encoding.encode_safetensors(STATE, {'format': 'pt'})],
        '.h5': [save_h5(), save_h5(compression='gzip', chunks=True)],
        '.mat': [network(cell), network(array, text, compressed=True)],
        '.onnx': [onnx.helper.make_model(graph).SerializeToString()],
        '.keras': [wrap_keras(b'{}'.ljust(99) + save_h5())],
    }
    for suffix, contents in files.items():
        for content in contents:
            yield bytes([NUMBER[suffix]]) + content
    wrapped = [b'\x80\x02' + pickled + b'.', npy, b'{}'.ljust(99) + save_h5(), cell]
    for number, content in enumerate(wrapped, len(readers.SUFFIXES)):
        yield bytes([number]) + content


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        fuzzing.run(read, list_seeds(), __doc__)
