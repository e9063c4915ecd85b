"""Reading other people's weights: layer name -> (kernel, bias), whatever the file."""

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
    """The weights in a file.

    Args:
        path: `.npy` (a pickled dictionary of layers, each a list, tuple or dictionary of kernel and
            bias), `.npz` (keys such as 'conv1/kernel', 'conv1_b'), or `.caffemodel`.
        layers: Names of the layers to look for; 'conv1' finds 'conv1_a', too.

    Raises:
        DataError: There is no such file, or it is broken, or holds something else than arrays.
        OSError: It cannot be read.
    """
    by_kind = (_read_npy, _read_npz, lambda given: _read_caffemodel(given, layers))
    readers = dict(zip(SUFFIXES, by_kind, strict=True))
    if not path.is_file():
        raise errors.DataError(f'--init_weights={path}: no such file.')
    try:
        found = readers[path.suffix](path)
    except (ImportError, OSError, errors.DataError):
        raise
    except array_pickle.Refused as error:
        raise errors.DataError(
            f'{path}: it asks for {error}; only NumPy arrays of numbers are admitted.'
        ) from error
    except Exception as error:  # a hostile file fails in any way, MemoryError among them
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise errors.DataError(f'{path}: not readable as weights ({reason[0]}).') from error
    found = {name: pair for name, pair in found.items() if name.partition('_')[0] in layers}
    if not found:
        raise errors.DataError(f'{path}: no kernel and bias of {", ".join(layers)} in it.')
    for name, pair in found.items():
        _check(path, name, *pair)
    return found


def _check(path: pathlib.Path, name: str, kernel: np.ndarray, bias: np.ndarray) -> None:
    for each in (kernel, bias):
        if each.dtype.kind not in 'fiu':
            raise errors.DataError(
                f'{path}: {name} holds {each.dtype}, where numbers are expected.'
            )
    # Older Caffe has four dimensions for fully-connected layers and for biases, too.
    if kernel.ndim not in (2, 4) or not kernel.size or not bias.size:
        raise errors.DataError(
            f'{path}: {name} has a kernel of shape {kernel.shape} and a bias of shape '
            f'{bias.shape}, which is no layer of AlexNet.'
        )
    if name.startswith('conv') and kernel.ndim != 4:
        raise errors.DataError(f'{path}: {name} has a kernel of shape {kernel.shape}, not of 4.')


def _read_npy(path: pathlib.Path) -> Weights:
    with path.open('rb') as file:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        _, _, dtype = header(file)
        if not dtype.hasobject:
            raise errors.DataError(f'{path}: one array, where a dictionary of layers is expected.')
        held = array_pickle.load(file)
    if not isinstance(held, dict):
        raise errors.DataError(f'{path}: {type(held).__name__}, where a dictionary is expected.')
    return {str(name): _pair(path, name, value) for name, value in held.items()}


def _pair(path, name, value) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(value, dict):
        by_kind = {('bias' if str(k).lower() in _BIASES else 'kernel'): v for k, v in value.items()}
        value = [by_kind.get('kernel'), by_kind.get('bias')]
    if len(value) != 2 or any(not isinstance(each, np.ndarray) for each in value):
        raise errors.DataError(f'{path}: {name} is not a kernel and a bias.')
    return value[0], value[1]


def _read_npz(path: pathlib.Path) -> Weights:
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as held:
        for key in held.files:
            matched = _KEY.fullmatch(key)
            if matched:
                kind = 'bias' if matched[2].lower() in _BIASES else 'kernel'
                found.setdefault(matched[1], {})[kind] = held[key]
    return {name: (each['kernel'], each['bias']) for name, each in found.items() if len(each) == 2}


def _read_caffemodel(path: pathlib.Path, layers: Iterable[str]) -> Weights:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            'reading .caffemodel needs the extra: pip install alexnet_tf[caffe]'
        ) from error
    if not hasattr(cv2.dnn, 'readNetFromCaffe'):
        raise ImportError('OpenCV 5 reads no .caffemodel any more: pip install alexnet_tf[caffe]')
    names = list(layers)
    # Arrays of bytes; a string of them would be taken for a file's name.
    given = [np.frombuffer(each, np.uint8) for each in (_prototxt(names), path.read_bytes())]
    net = cv2.dnn.readNetFromCaffe(*given)
    found = {}
    for name in names:
        if net.getLayerId(name) >= 0:
            try:
                found[name] = net.getParam(name, 0), net.getParam(name, 1)
            except cv2.error:  # the file has no such layer
                continue
    return found


def _prototxt(names: Iterable[str]) -> bytes:
    """A network of those layers, for OpenCV finds the blobs of named layers only.

    All as convolutions, which unlike fully-connected layers may say nothing true of their sizes.
    """
    lines = ['input: "data" input_dim: 1 input_dim: 3 input_dim: 227 input_dim: 227']
    lines += [
        f'layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "{name}" '
        'convolution_param { num_output: 1 kernel_size: 1 } }'
        for name in names
    ]
    return '\n'.join(lines).encode()
