"""Reads weight files of other programs: layer name -> (kernel, bias), whatever the format."""

import pathlib
import re
from collections.abc import Iterable, Sequence

import numpy as np

from input_pipeline import array_pickle, errors

Weights = dict[str, tuple[np.ndarray, np.ndarray]]

SUFFIXES = ('.npy', '.npz', '.caffemodel')
# conv1/kernel, conv1_W, conv1.weight, conv1/0 and the like.
_KEY = re.compile(r'(.+?)[/_.](kernel|weights?|w|0|bias|biases|b|1)(?::0)?', re.IGNORECASE)
_BIASES = ('bias', 'biases', 'b', '1')


def read(path: pathlib.Path, layers: Sequence[str]) -> Weights:
    """Reads the weights of some layers from a file.

    Args:
        path: A `.npy` file (a pickled dictionary from layers to lists, tuples or dictionaries of
            kernel and bias), a `.npz` file (keys such as 'conv1/kernel' or 'conv1_b'), or a
            `.caffemodel`.
        layers: The names of the layers to look for; 'conv1' stands for 'conv1_a', too.

    Returns:
        Kernel and bias by the file's layer names, as the file has them.

    Raises:
        DataError: The file does not exist, is broken, or holds something other than arrays.
        OSError: The file cannot be read.
        ImportError: OpenCV is missing, or a version that reads no `.caffemodel`.
    """
    if not path.is_file():
        raise errors.DataError(f'{path}: no such file.')
    try:
        if path.suffix == '.caffemodel':
            weights = _read_caffemodel(path, layers)
        else:
            weights = {'.npy': _read_npy, '.npz': _read_npz}[path.suffix](path)
    except (ImportError, OSError, errors.DataError):
        raise
    except array_pickle.Refused as error:
        raise errors.DataError(
            f'{path}: the pickle asks for {error}, but only arrays of numbers are admitted.'
        ) from error
    except Exception as error:  # a hostile file fails in any way, MemoryError among them
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise errors.DataError(f'{path}: not readable as weights ({reason[0]}).') from error
    weights = {name: pair for name, pair in weights.items() if name.partition('_')[0] in layers}
    if not weights:
        raise errors.DataError(f'{path}: it has no kernel and bias of {", ".join(layers)}.')
    for name, (kernel, bias) in weights.items():
        _check(path, name, kernel, bias)
    return weights


def _check(path: pathlib.Path, name: str, kernel: np.ndarray, bias: np.ndarray) -> None:
    for array in (kernel, bias):
        if array.dtype.kind not in 'fiu':
            raise errors.DataError(f'{path}: {name} holds {array.dtype}, expected numbers.')
    # Older Caffe has four dimensions for fully-connected layers and for biases, too.
    if kernel.ndim not in (2, 4) or not kernel.size or not bias.size:
        raise errors.DataError(
            f'{path}: {name} has a kernel of shape {kernel.shape} and a bias of shape '
            f'{bias.shape}, which no layer of AlexNet has.'
        )
    if name.startswith('conv') and kernel.ndim != 4:
        raise errors.DataError(
            f'{path}: {name} has a kernel of shape {kernel.shape}, expected 4 dimensions.'
        )


def _read_npy(path: pathlib.Path) -> Weights:
    with path.open('rb') as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        _, _, dtype = read_header(file)
        if not dtype.hasobject:
            raise errors.DataError(f'{path}: it holds one array, expected a dictionary of layers.')
        layers = array_pickle.load(file)
    if not isinstance(layers, dict):
        kind = type(layers).__name__
        raise errors.DataError(f'{path}: it holds a {kind}, expected a dictionary of layers.')
    return {str(name): _to_pair(path, name, value) for name, value in layers.items()}


def _to_pair(path: pathlib.Path, name: object, value) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(value, dict):
        by_kind = {_to_kind(str(key)): array for key, array in value.items()}
        value = [by_kind.get('kernel'), by_kind.get('bias')]
    if len(value) != 2 or any(not isinstance(array, np.ndarray) for array in value):
        raise errors.DataError(f'{path}: {name} is not a kernel and a bias.')
    return value[0], value[1]


def _to_kind(key: str) -> str:
    return 'bias' if key.lower() in _BIASES else 'kernel'


def _read_npz(path: pathlib.Path) -> Weights:
    layers: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            if match := _KEY.fullmatch(key):
                layers.setdefault(match[1], {})[_to_kind(match[2])] = arrays[key]
    return {name: (pair['kernel'], pair['bias']) for name, pair in layers.items() if len(pair) == 2}


def _read_caffemodel(path: pathlib.Path, layers: Iterable[str]) -> Weights:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            'Reading a .caffemodel needs OpenCV: pip install alexnet_tf[caffe]'
        ) from error
    if not hasattr(cv2.dnn, 'readNetFromCaffe'):
        raise ImportError('OpenCV 5 reads no .caffemodel: pip install alexnet_tf[caffe]')
    names = list(layers)
    # Arrays of bytes, since it takes a string of them for a file's name.
    prototxt, content = (np.frombuffer(x, np.uint8) for x in (_prototxt(names), path.read_bytes()))
    net = cv2.dnn.readNetFromCaffe(prototxt, content)
    weights = {}
    for name in names:
        if net.getLayerId(name) >= 0:
            try:
                weights[name] = net.getParam(name, 0), net.getParam(name, 1)
            except cv2.error:  # the file has no such layer
                continue
    return weights


def _prototxt(names: Iterable[str]) -> bytes:
    """A network of the layers, since OpenCV finds the blobs of named layers only.

    All are convolutions, whose sizes, unlike those of fully-connected layers, need not be true.
    """
    lines = ['input: "data" input_dim: 1 input_dim: 3 input_dim: 227 input_dim: 227']
    lines += [
        f'layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "{name}" '
        'convolution_param { num_output: 1 kernel_size: 1 } }'
        for name in names
    ]
    return '\n'.join(lines).encode()
