"""Reads weight files of other programs, whatever their format.

A weight file is untrusted input. No code in it runs, sizes in its headers are checked before memory
is allocated, and a file that is broken or hostile in any way raises a `DataError`.
"""

import pathlib
import zipfile
from collections.abc import Callable

from alexnet_tf.models.weights import (
    caffemodel,
    keras_files,
    matconvnet,
    numpy_files,
    onnx_files,
    pytorch,
    safetensors_files,
    weight_file,
)
from input_pipeline import errors

_READERS: dict[str, Callable[[pathlib.Path], weight_file.WeightFile]] = {
    '.npy': numpy_files.read_npy,
    '.npz': numpy_files.read_npz,
    '.caffemodel': caffemodel.read,
    '.pth': pytorch.read,
    '.pt': pytorch.read,
    '.tar': pytorch.read,  # .pth.tar
    '.safetensors': safetensors_files.read,
    '.h5': keras_files.read,
    '.keras': keras_files.read,
    '.mat': matconvnet.read,
    '.onnx': onnx_files.read,
}
SUFFIXES = tuple(_READERS)
_HEAD_BYTES = 64
NO_DOWNLOADS = (
    'No weights come with the package, and none are downloaded: docs/how-to/use-known-weights.md '
    'says where to get them.'
)


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a weight file.

    Args:
        path: The file; its suffix, one of `SUFFIXES`, decides the format.

    Returns:
        Its arrays of numbers by the file's own names, and its layers if the format lists them.

    Raises:
        DataError: The file does not exist, is too large, broken, or holds something else.
        PackageMissing: The format needs a package that is not installed.
        OSError: The file cannot be read.
    """
    if path.is_dir():
        raise errors.DataError(f'{path} is a folder. Name a weight file; a run needs no import.')
    if not path.is_file():
        raise errors.DataError(f'{path}: no such file. {NO_DOWNLOADS}')
    if path.suffix not in _READERS:
        raise errors.DataError(f'{path}: expected one of {", ".join(SUFFIXES)}.')
    if problem := _find_obvious_problem(path):
        raise errors.DataError(f'{path}: {problem} Download it again.')
    try:
        file = _READERS[path.suffix](path)
    except errors.PackageMissing:
        raise
    except errors.DataError as error:
        raise errors.DataError(f'{path}: {error}') from error
    except Exception as error:  # a hostile file fails in any way, MemoryError among them
        if isinstance(error, OSError) and error.filename:
            raise
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise errors.DataError(f'{path}: not readable as weights ({reason[0]}).') from error
    if not file.arrays:
        raise errors.DataError(f'{path}: it holds no arrays.')
    return file


def _find_obvious_problem(path: pathlib.Path) -> str:
    """Says what was downloaded in place of the file; '' if no problem is obvious."""
    with path.open('rb') as file:
        head = file.read(_HEAD_BYTES).lstrip().lower()
    if head.startswith(b'version https://git-lfs'):
        return 'it is a pointer of Git LFS in place of the file.'
    if head.startswith((b'<!doctype', b'<html', b'<?xml')):
        return 'it is a web page in place of the file.'
    if head.startswith(b'pk\x03\x04') and not zipfile.is_zipfile(path):
        return 'it is an archive without its end.'
    return ''
