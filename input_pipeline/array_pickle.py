"""Reads pickled NumPy arrays without running anything that the file names.

A pickle is a program, and NumPy's own types are not safe to give it: a forged dtype makes NumPy
follow bytes as pointers. The unpickler therefore builds stand-ins that only keep plain values, and
arrays are made of them afterwards.
"""

import pickle
import re
from typing import Any, BinaryIO

import numpy as np

_DTYPE = re.compile(r'[<>|=]?[fiub][1248]')
_OBJECT_DTYPES = ('O', 'O8')


class Refused(Exception):
    """The pickle asks for something other than arrays; the message says what."""


def load(file: BinaryIO) -> Any:
    """Reads a pickle of numbers, strings, lists, tuples, dictionaries and arrays.

    Example:
    >>> import io
    >>> load(io.BytesIO(pickle.dumps({'fc8': np.ones(2)})))
    {'fc8': array([1., 1.])}

    Args:
        file: Open file whose position is at the pickle.

    Returns:
        The pickled value; bytes of Python 2 become strings in Latin-1.

    Raises:
        Refused: The pickle holds something else.
        Exception: Any kind, where a file is broken or hostile.
    """
    return _build(_Unpickler(file, encoding='latin1').load())


def _build(value: Any) -> Any:
    """Replaces the stand-ins in an unpickled value by arrays."""
    if isinstance(value, _Array):
        return value.build()
    if isinstance(value, dict):
        return {key: _build(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_build(item) for item in value)
    return value


class _Dtype:
    """Stands in for numpy.dtype: numbers of a fixed size, or 'O' for an array around a dict."""

    def __init__(self, name: str, *_):
        if name not in _OBJECT_DTYPES and not _DTYPE.fullmatch(name):
            raise Refused(f'an array of {name[:40]}')
        self.name = name

    def __setstate__(self, state: tuple):
        byte_order = state[1]
        if self.name[0] in 'fiub' and byte_order in ('<', '>'):
            self.name = byte_order + self.name


class _Array:
    """Stands in for numpy.ndarray, which `_reconstruct` creates and its state fills."""

    def __init__(self, *_):
        self._state = None

    def __setstate__(self, state: tuple):
        self._state = state[-4:]  # a version may precede the shape

    def build(self) -> Any:
        shape, dtype, is_fortran_order, data = self._state
        if dtype.name in _OBJECT_DTYPES:
            if shape != () or not isinstance(data, list) or len(data) != 1:
                raise Refused('an array of objects')
            return _build(data[0])
        data = data.encode('latin1') if isinstance(data, str) else data
        flat = np.frombuffer(data, np.dtype(dtype.name))
        return flat.reshape(shape, order='F' if is_fortran_order else 'C')


def _from_buffer(data, dtype, shape, order) -> _Array:
    array = _Array()
    array.__setstate__((shape, dtype, order == 'F', bytes(data)))
    return array


def _encode_latin1(text: str, _: str = 'latin1') -> bytes:
    return text.encode('latin1')


# Old and new releases of NumPy differ in names; `_codecs.encode` makes bytes in protocol 2.
_STAND_INS = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('numpy._core.multiarray', '_reconstruct'): _Array,
    ('numpy._core.numeric', '_frombuffer'): _from_buffer,
    ('_codecs', 'encode'): _encode_latin1,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module.replace('numpy.core', 'numpy._core'), name))
        if stand_in is None:
            raise Refused(f'{module}.{name}')
        return stand_in
