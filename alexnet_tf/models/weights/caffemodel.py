"""Reads `.caffemodel` files, with the order of their layers, in all versions of Caffe's format.

Caffe's schema is described here as far as it is read, for the parser of `protobuf`. Numbers are
declared as bytes, which a packed field looks like, so that they are not copied one by one.
"""

import functools
import pathlib
from collections.abc import Iterator

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from alexnet_tf.models.weights import weight_file
from input_pipeline import errors

FORMAT = 'Caffe'
# Message -> field -> (number, type, whether it repeats).
_INT64, _STRING, _BYTES, _INT32 = 'TYPE_INT64', 'TYPE_STRING', 'TYPE_BYTES', 'TYPE_INT32'
_SCHEMA = {
    'Shape': {'dim': (1, _INT64, True)},
    'Blob': {
        'num': (1, _INT32, False),
        'channels': (2, _INT32, False),
        'height': (3, _INT32, False),
        'width': (4, _INT32, False),
        'data': (5, _BYTES, False),
        'shape': (7, 'Shape', False),
        'double_data': (8, _BYTES, False),
    },
    # Layers of three generations: the last is inside one of the second.
    'Layer': {
        'name': (1, _STRING, False),
        'type': (2, _STRING, False),
        'blobs': (7, 'Blob', True),
    },
    'LayerOf2013': {
        'name': (1, _STRING, False),
        'type': (2, _STRING, False),
        'blobs': (50, 'Blob', True),
    },
    'LayerOf2014': {
        'layer': (1, 'LayerOf2013', False),
        'name': (4, _STRING, False),
        'type': (5, _INT32, False),
        'blobs': (6, 'Blob', True),
    },
    'Net': {
        'name': (1, _STRING, False),
        'layers': (2, 'LayerOf2014', True),
        'layer': (100, 'Layer', True),
    },
}
_KINDS = {
    **dict.fromkeys((4, 'conv', 'convolution'), 'convolution'),
    **dict.fromkeys((14, 'innerproduct'), 'fully_connected'),
    **dict.fromkeys((15, 'lrn'), 'normalization'),
    **dict.fromkeys((17, 'pool', 'pooling'), 'max_pool'),
    **dict.fromkeys((18, 'relu'), 'relu'),
    **dict.fromkeys((6, 'dropout'), 'dropout'),
    **dict.fromkeys((20, 'softmax'), 'softmax'),
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a `.caffemodel`.

    Returns:
        Arrays by layer and index, 'conv1/0' the kernel and 'conv1/1' the bias; all layers.

    Raises:
        DataError: Two layers with weights have one name, or an array has other data than shape.
    """
    net = _get_class('Net').FromString(weight_file.read_bytes(path))
    nested = [layer.layer if layer.HasField('layer') else layer for layer in net.layers]
    layers = [*nested, *net.layer]
    if not layers:
        raise errors.DataError('it holds no layers.')
    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect(pair for layer in layers for pair in _read_blobs(layer)),
        [weight_file.Layer(layer.name, _get_kind(layer.type)) for layer in layers],
        {'name': net.name},
    )


def _get_kind(kind: str | int) -> str:
    kind = kind.lower() if isinstance(kind, str) else kind
    return _KINDS.get(kind, str(kind))


def _read_blobs(layer: message.Message) -> Iterator[tuple[str, np.ndarray]]:
    for index, blob in enumerate(layer.blobs):
        name = f'{layer.name}/{index}'
        is_new = blob.HasField('shape')
        shape = blob.shape.dim if is_new else (blob.num, blob.channels, blob.height, blob.width)
        dtype = np.dtype('<f8' if blob.double_data else '<f4')
        data = blob.double_data or blob.data
        yield name, weight_file.from_bytes(name, data, dtype, tuple(shape))


@functools.cache
def _get_class(name: str) -> type[message.Message]:
    file = descriptor_pb2.FileDescriptorProto(name='alexnet_tf_caffe.proto', package='caffe')
    for message_name, fields in _SCHEMA.items():
        descriptor = file.message_type.add(name=message_name)
        for field_name, (number, kind, repeats) in fields.items():
            label = 'LABEL_REPEATED' if repeats else 'LABEL_OPTIONAL'
            field = descriptor.field.add(name=field_name, number=number, label=label)
            if kind in _SCHEMA:
                field.type, field.type_name = 'TYPE_MESSAGE', f'.caffe.{kind}'
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f'caffe.{name}'))
