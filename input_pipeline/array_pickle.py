"""Reads pickled NumPy arrays without running anything that the file names.

A pickle is a program, and must not construct NumPy's own types: a forged dtype makes NumPy follow
bytes as pointers. The unpickler therefore builds stand-ins that only keep plain values, and
arrays are made of them afterwards.
"""

import pickle
import pickletools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np

_DTYPE = re.compile(r'[<>|=]?[fiub][1248]')
_OBJECT_DTYPES = ('O', 'O8')
_MAX_OPCODES = 1_000_000  # an opcode of one byte may take 100 in memory


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
    return _build(unpickle(file, _STAND_INS), {})


def unpickle(
    file: BinaryIO,
    stand_ins: Mapping[tuple[str, str], Callable],
    persistent_load: Callable[[Any], Any] | None = None,
) -> Any:
    """Reads a pickle in which every global must have a stand-in.

    Args:
        file: Open file at the position of the pickle; afterwards it is past it.
        stand_ins: (module, name) of a global -> what to call in its place.
        persistent_load: Returns the object of a persistent id; None to refuse these.

    Returns:
        The pickled value; bytes of Python 2 become strings in Latin-1.

    Raises:
        Refused: The pickle names something else.
        Exception: Any kind, where a file is broken or hostile.
    """
    start = file.tell()
    # This also refuses lengths beyond the file's end before memory is allocated.
    for number, _ in enumerate(pickletools.genops(file)):
        if number == _MAX_OPCODES:
            raise Refused(f'more than {_MAX_OPCODES:,} operations')
    file.seek(start)
    return _Unpickler(file, stand_ins, persistent_load).load()


def _build(value: Any, built: dict[Any, Any]) -> Any:
    """Replaces the stand-ins in an unpickled value by arrays; shared objects stay shared."""
    if id(value) not in built:
        if isinstance(value, _Array):
            built[id(value)] = value.build(built)
        elif isinstance(value, dict):
            built[id(value)] = {key: _build(item, built) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            built[id(value)] = type(value)(_build(item, built) for item in value)
        else:
            return value
    return built[id(value)]


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

    def build(self, built: dict[Any, Any]) -> Any:
        shape, dtype, is_fortran_order, data = self._state
        if dtype.name in _OBJECT_DTYPES:
            if shape != () or not isinstance(data, list) or len(data) != 1:
                raise Refused('an array of objects')
            return _build(data[0], built)
        if isinstance(data, str):  # encoded once, however many arrays refer to it
            key = 'encoded', id(data)
            built[key] = data = built.get(key) or data.encode('latin1')
        flat = np.frombuffer(data, np.dtype(dtype.name))
        return flat.reshape(shape, order='F' if is_fortran_order else 'C')


def _from_buffer(data, dtype, shape, order) -> _Array:
    array = _Array()
    array.__setstate__((shape, dtype, order == 'F', data))
    return array


def _encode_latin1(text: str, _: str = 'latin1') -> str:
    if not isinstance(text, str):
        raise Refused(f'a {type(text).__name__} that is encoded as text')
    return text  # the array encodes it, once for all references


# Old and new releases of NumPy differ in names. In protocol 2 `_codecs.encode` makes bytes, and
# `bytes` those of an empty array.
_STAND_INS = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('numpy._core.multiarray', '_reconstruct'): _Array,
    ('numpy._core.numeric', '_frombuffer'): _from_buffer,
    ('_codecs', 'encode'): _encode_latin1,
    ('__builtin__', 'bytes'): lambda: '',
}


class _Unpickler(pickle._Unpickler):
    """The unpickler in Python, whose operations can be changed, and whose memo is a dictionary.

    Keys must be plain values: to hash tuples that hold one tuple twice, and so on, takes forever,
    and to hash deeply nested ones overflows the stack.
    """

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, stand_ins, persistent_load):
        super().__init__(file, encoding='latin1')
        self._stand_ins, self._persistent_load = stand_ins, persistent_load

    def find_class(self, module: str, name: str) -> Any:
        stand_in = self._stand_ins.get((module.replace('numpy.core', 'numpy._core'), name))
        if stand_in is None:
            raise Refused(f'{module[:60]}.{name[:60]}')
        return _Sealed(stand_in)

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent_load is None:
            raise Refused('an object outside the file')
        return self._persistent_load(pid)

    def load_setitem(self):
        check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self):
        check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self):
        check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self):
        check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self):
        check_keys(self.stack)
        super().load_frozenset()

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset


def check_keys(keys: Iterable[Any]) -> None:
    """Refuses keys of a dictionary or members of a set that are no plain values, see `_Unpickler`.

    Raises:
        Refused: There is one.
    """
    for key in keys:
        if not isinstance(key, str | bytes | int | float | None):
            raise Refused(f'a key that is a {type(key).__name__}')


class _Sealed:
    """A stand-in that a pickle may call, but whose attributes it cannot set."""

    __slots__ = ('stand_in',)

    def __init__(self, stand_in: Callable):
        self.stand_in = stand_in

    def __call__(self, *arguments) -> Any:
        return self.stand_in(*arguments)

    def __setstate__(self, state: Any):
        raise Refused('a change of the reader')
