"""Reads MAT-files of MATLAB 5: numbers, text, cells and structs.

SciPy's reader is not used: a file of deeply nested cells makes it overflow the stack.
"""

import zlib
from typing import Any

import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import errors

_HEADER_BYTES, _ENDIAN = 128, slice(126, 128)
_ORDERS = {b'IM': '<', b'MI': '>'}
_MATRIX, _COMPRESSED, _INT32, _UINT32 = 14, 15, 5, 6  # types of elements
_CELL, _STRUCT, _CHAR, _NUMBERS = 1, 2, 4, range(6, 16)  # classes of matrices
_IS_COMPLEX = 0x800
_DTYPES = {
    **{1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'},
    **{16: 'u1', 17: 'u2', 18: 'u4'},  # text
}
# Encodings of text by type, in the byte order of the file; those of other types are Latin-1.
_ENCODINGS = {4: 'utf-16-{}', 16: 'utf-8', 17: 'utf-16-{}', 18: 'utf-32-{}'}
_MAX_DEPTH, _MAX_ELEMENTS, _MAX_TEXT = 20, 100_000, 1_000_000
_MAX_DIMENSIONS, _MAX_FIELDS = 64, 10_000


def parse(content: bytes) -> dict[str, Any]:
    """Parses a MAT-file.

    Args:
        content: The bytes of the file.

    Returns:
        Variables by name: arrays, strings, lists for cells and for arrays of structs, dictionaries
        for structs, and None for anything else, such as text of over a megabyte. Numbers have the
        type that they are stored as, which may be smaller than the variable's.

    Raises:
        DataError: The content is of another version or broken, or unpacks to more than the limit.
    """
    if content[:4] == b'\x89HDF' or content[:10] == b'MATLAB 7.3':
        raise errors.DataError('it is of version 7.3. Save it in MATLAB with the option -v7.')
    if content[_ENDIAN] not in _ORDERS:
        raise errors.DataError('it is no MAT-file of MATLAB 5.')
    parser = _Parser(_ORDERS[content[_ENDIAN]])
    elements = parser.split(memoryview(content)[_HEADER_BYTES:])
    budget, variables = weight_file.MAX_BYTES, {}
    for kind, data in elements:
        if kind == _COMPRESSED:
            kind, data = parser.unpack(data, budget)
            budget -= len(data)
        if kind == _MATRIX:
            name, value = parser.parse_matrix(data, 0)
            variables[name] = value
    return variables


class _Parser:
    """Parses elements of one byte order: a type and a size in 8 bytes, or in 4 for small data."""

    def __init__(self, order: str):
        self._order, self._elements = order, 0

    def split(self, data: memoryview) -> list[tuple[int, memoryview]]:
        """Splits data into elements, (type, content)."""
        elements, position = [], 0
        while position < len(data):
            kind, content, position = self._read(data, position)
            elements.append((kind, content))
            self._elements += 1
            if self._elements > _MAX_ELEMENTS:
                raise errors.DataError(f'it has more than {_MAX_ELEMENTS:,} elements.')
        return elements

    def unpack(self, data: memoryview, limit: int) -> tuple[int, memoryview]:
        """Decompresses an element."""
        decompressor = zlib.decompressobj()
        unpacked = decompressor.decompress(data, limit + 1)
        if len(unpacked) > limit:
            weight_file.check_size(weight_file.MAX_BYTES + 1, 'its content')
        if not decompressor.eof:
            raise errors.DataError('a compressed element is cut.')
        return self._read(memoryview(unpacked), 0)[:2]

    def parse_matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Parses the content of a matrix: its name and value."""
        if not data:
            return '', np.zeros((0, 0))
        if depth > _MAX_DEPTH:
            raise errors.DataError(f'its cells are nested more than {_MAX_DEPTH} deep.')
        (_, flags), (_, dims), (_, name), *parts = self.split(data)
        flags, shape = int(self._to_numbers(_UINT32, flags)[0]), self._to_numbers(_INT32, dims)
        if len(shape) > _MAX_DIMENSIONS:
            raise errors.DataError(f'an array of {len(shape):,} dimensions.')
        kind, shape = flags & 0xFF, tuple(shape.tolist())
        value = None
        if kind == _CELL:
            value = self._parse_all(parts, depth)
        elif kind == _STRUCT:
            value = self._parse_struct(parts, shape, depth)
        elif kind == _CHAR and parts and len(parts[0][1]) <= _MAX_TEXT:
            value = self._to_text(*parts[0])
        elif kind in _NUMBERS and parts and not flags & _IS_COMPLEX:
            element, numbers = parts[0]
            dtype = self._get_dtype(element)
            value = weight_file.from_bytes(str(name, 'latin1'), numbers, dtype, shape, 'F')
        return str(name, 'latin1'), value

    def _parse_struct(self, parts, shape: tuple[int, ...], depth: int) -> Any:
        (_, length), (_, names), *parts = parts
        length = int(self._to_numbers(_INT32, length)[0])
        if len(names) > _MAX_FIELDS * max(length, 0):
            raise errors.DataError(f'a struct of more than {_MAX_FIELDS:,} fields.')
        fields = [
            str(names[start : start + length], 'latin1').partition('\0')[0]
            for start in range(0, len(names), length)
        ]
        values = self._parse_all(parts, depth)
        if len(values) != weight_file.count_bytes('a struct', shape, len(fields)):
            raise errors.DataError(f'a struct of {shape} has {len(values)} values.')
        structs = [
            dict(zip(fields, values[start : start + len(fields)], strict=True))
            for start in range(0, len(values), len(fields) or 1)
        ]
        return structs[0] if len(structs) == 1 else structs

    def _parse_all(self, parts, depth: int) -> list[Any]:
        return [self.parse_matrix(part, depth + 1)[1] for kind, part in parts if kind == _MATRIX]

    def _read(self, data: memoryview, position: int) -> tuple[int, memoryview, int]:
        kind, size = self._to_numbers(_UINT32, data[position : position + 8]).tolist()
        start, padding = position + 8, -size % 8 if kind != _COMPRESSED else 0
        if kind >> 16:  # up to four bytes, in place of the size
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            padding = 4 - size
        if start + size > len(data):
            raise errors.DataError(f'an element of {size:,} bytes runs past the end.')
        return kind, data[start : start + size], start + size + padding

    def _get_dtype(self, element: int) -> np.dtype:
        if element not in _DTYPES:
            raise errors.DataError(f'an element has the unknown type {element}.')
        return np.dtype(_DTYPES[element]).newbyteorder(self._order)

    def _to_text(self, element: int, data: memoryview) -> str:
        encoding = _ENCODINGS.get(element, 'latin-1')
        order = 'le' if self._order == '<' else 'be'
        return str(data, encoding.format(order), errors='replace')

    def _to_numbers(self, element: int, data: memoryview) -> np.ndarray:
        return np.frombuffer(data, self._get_dtype(element))
