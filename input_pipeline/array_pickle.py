"""Pickled NumPy arrays, read without running anything that the file names.

A pickle is a program. NumPy's own types are no safe words for it either: a forged dtype makes NumPy
take bytes for pointers. So what the file asks for gets a stand-in from here, which keeps plain
values; arrays are made of them afterwards.
"""

import pickle
import re
from typing import Any, BinaryIO

import numpy as np

_DTYPE = re.compile(r'[<>|=]?[fiub][1248]')


class Refused(Exception):
    """The file asks for something else than arrays; the message says for what."""


def load(file: BinaryIO) -> Any:
    """What is pickled: numbers, strings, lists, tuples, dictionaries and arrays.

    Raises:
        Refused: Something else is in it.
        Exception: Any, of a broken or hostile file.
    """
    # Python 2 wrote bytes as strings.
    return _made(_Unpickler(file, encoding='latin1').load())


def _made(held: Any) -> Any:
    if isinstance(held, _Array):
        return held.array()
    if isinstance(held, dict):
        return {key: _made(value) for key, value in held.items()}
    if isinstance(held, list | tuple):
        return type(held)(_made(each) for each in held)
    return held


class _Dtype:
    """numpy.dtype: numbers of a fixed size only, or 'O' for the array around a dictionary."""

    def __init__(self, name: str, *_):
        if name not in ('O', 'O8') and not _DTYPE.fullmatch(name):
            raise Refused(f'an array of {name[:40]}')
        self.name = name

    def __setstate__(self, state: tuple):
        order = state[1]
        if self.name[0] in 'fiub' and order in ('<', '>'):
            self.name = order + self.name


class _Array:
    """numpy.ndarray, as `_reconstruct` begins it and its state completes it."""

    def __init__(self, *_):
        self._state = None

    def __setstate__(self, state: tuple):
        self._state = state[-4:]  # Before the shape there may be a version.

    def array(self) -> Any:
        shape, dtype, by_columns, data = self._state
        if dtype.name in ('O', 'O8'):
            if shape != () or not isinstance(data, list) or len(data) != 1:
                raise Refused('an array of objects')
            return _made(data[0])
        data = data.encode('latin1') if isinstance(data, str) else data
        flat = np.frombuffer(data, np.dtype(dtype.name))
        return flat.reshape(shape, order='F' if by_columns else 'C')


def _from_buffer(data, dtype, shape, order) -> _Array:
    made = _Array()
    made.__setstate__((shape, dtype, order == 'F', bytes(data)))
    return made


def _latin1(text: str, _: str = 'latin1') -> bytes:
    return text.encode('latin1')


# By the names that old and new releases give them; `_codecs.encode` makes bytes in protocol 2.
_STAND_INS = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('numpy._core.multiarray', '_reconstruct'): _Array,
    ('numpy._core.numeric', '_frombuffer'): _from_buffer,
    ('_codecs', 'encode'): _latin1,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _STAND_INS.get((module.replace('numpy.core', 'numpy._core'), name))
        if found is None:
            raise Refused(f'{module}.{name}')
        return found
