"""Parses protocol buffers of untrusted files by the part of their schema that is read.

A field of two bytes becomes an object of a hundred. Fields are therefore counted before any is
parsed; what the schema leaves out stays bytes.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from input_pipeline import errors

# Message -> field -> (number, type, whether it repeats). A type is a name of protobuf or of another
# message. Packed numbers are best declared as bytes, so that they are not copied one by one.
Schema = Mapping[str, Mapping[str, tuple[int, str, bool]]]
INT32, INT64, STRING, BYTES = 'TYPE_INT32', 'TYPE_INT64', 'TYPE_STRING', 'TYPE_BYTES'

_MAX_FIELDS = 100_000  # a file of AlexNet's weights has a few hundred
_SHORT_OCTETS = 3  # that encode 16 bits, seven in each
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def parse(schema: Schema, root: str, content: bytes) -> message.Message:
    """Parses a message.

    Args:
        schema: The schema of the message and of the messages in it.
        root: The message's name in the schema.
        content: The message.

    Raises:
        DataError: It has more fields than any file of weights.
        google.protobuf.message.DecodeError: It is broken.
    """
    types = {
        name: {number: kind for number, kind, _ in fields.values()}
        for name, fields in schema.items()
    }
    numbers = _iterate_fields(types, root, memoryview(content))
    if any(total > _MAX_FIELDS for total in itertools.accumulate(numbers)):
        raise errors.DataError(f'it has more than {_MAX_FIELDS:,} fields.')
    file = _describe(tuple((name, tuple(fields.items())) for name, fields in schema.items()))
    return message_factory.GetMessageClass(file[root]).FromString(content)


def parse_packed(data: bytes) -> np.ndarray:
    """Parses packed numbers below 2**16, (n,) uint16, of a field that was declared as bytes.

    Raises:
        DataError: A number is larger or negative, or the last one is cut short.
    """
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    sizes = ends - starts + 1
    if not len(ends) or ends[-1] != len(octets) - 1 or sizes.max() > _SHORT_OCTETS:
        raise errors.DataError('it holds packed numbers that are no 16 bits.')
    values = np.zeros(len(ends), np.uint32)
    for index in range(_SHORT_OCTETS):
        rows = sizes > index
        seven_bits = octets[starts[rows] + index].astype(np.uint32) & 0x7F
        values[rows] |= seven_bits << (7 * index)
    if values.max() > np.iinfo(np.uint16).max:
        raise errors.DataError('it holds packed numbers that are no 16 bits.')
    return values.astype(np.uint16)


def _iterate_fields(types: Mapping, name: str, data: memoryview) -> Iterator[int]:
    """Yields how many fields to count for each field of a message and of the messages in it.

    Args:
        types: By message, the types of its fields by number; other messages are not looked into.
        name: The message's name.
        data: The message; if it is broken, the fields before the break count.
    """
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        kind, wire = types[name].get(key >> 3, ''), key & 7
        size = _FIXED_BYTES.get(wire, 0)
        if wire in (_VARINT, _DELIMITED):
            value, position = _read_varint(data, position)
            size = value if wire == _DELIMITED else 0
        if wire == _DELIMITED and kind in types:
            yield from _iterate_fields(types, kind, data[position : position + size])
        yield 1 + size if wire == _DELIMITED and kind in (INT32, INT64) else 1
        position += size


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        value |= (data[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if data[position - 1] < 0x80:
            break
    return value, position


@functools.cache
def _describe(schema: tuple) -> dict:
    """Returns the descriptors of a schema's messages by name."""
    package = f'alexnet_tf_{schema[0][0].lower()}'
    file = descriptor_pb2.FileDescriptorProto(name=f'{package}.proto', package=package)
    names = dict(schema)
    for name, fields in schema:
        descriptor = file.message_type.add(name=name)
        for field_name, (number, kind, repeats) in fields:
            label = 'LABEL_REPEATED' if repeats else 'LABEL_OPTIONAL'
            field = descriptor.field.add(name=field_name, number=number, label=label)
            if kind in names:
                field.type, field.type_name = 'TYPE_MESSAGE', f'.{package}.{kind}'
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: pool.FindMessageTypeByName(f'{package}.{name}') for name in names}
