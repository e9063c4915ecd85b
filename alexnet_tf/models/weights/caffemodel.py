"""Reads Caffe's `.caffemodel` files of all versions, with their list of layers, and mean images."""

import pathlib
from collections.abc import Iterator

import numpy as np
from google.protobuf import message

from alexnet_tf.models.weights import protobuf, weight_file
from input_pipeline import errors

FORMAT = 'Caffe'
# Caffe's schema, as far as it is read.
_SCHEMA: protobuf.Schema = {
    'Shape': {'dim': (1, protobuf.INT64, True)},
    'Blob': {
        'num': (1, protobuf.INT32, False),
        'channels': (2, protobuf.INT32, False),
        'height': (3, protobuf.INT32, False),
        'width': (4, protobuf.INT32, False),
        'data': (5, protobuf.BYTES, False),
        'shape': (7, 'Shape', False),
        'double_data': (8, protobuf.BYTES, False),
    },
    # Layers of three generations: the last is inside one of the second.
    'Layer': {
        'name': (1, protobuf.STRING, False),
        'type': (2, protobuf.STRING, False),
        'blobs': (7, 'Blob', True),
    },
    'LayerOf2013': {
        'name': (1, protobuf.STRING, False),
        'type': (2, protobuf.STRING, False),
        'blobs': (50, 'Blob', True),
    },
    'LayerOf2014': {
        'layer': (1, 'LayerOf2013', False),
        'name': (4, protobuf.STRING, False),
        'type': (5, protobuf.INT32, False),
        'blobs': (6, 'Blob', True),
    },
    'Net': {
        'layers': (2, 'LayerOf2014', True),
        'layer': (100, 'Layer', True),
    },
}
_KINDS = {
    **dict.fromkeys((4, 'conv', 'convolution'), 'convolution'),
    **dict.fromkeys((15, 'lrn'), 'normalization'),
    **dict.fromkeys((17, 'pool', 'pooling'), 'max_pool'),
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads a `.caffemodel`.

    Returns:
        Arrays by layer and index, 'conv1/0' the kernel and 'conv1/1' the bias; all layers.

    Raises:
        DataError: Two layers with weights have one name, or data do not fit their shape.
    """
    net = protobuf.parse(_SCHEMA, 'Net', weight_file.read_bytes(path))
    nested = [layer.layer if layer.HasField('layer') else layer for layer in net.layers]
    layers = [*nested, *net.layer]
    if not layers:
        raise errors.DataError('it holds no layers.')
    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect(pair for layer in layers for pair in _read_blobs(layer)),
        [weight_file.Layer(layer.name, _get_kind(layer.type)) for layer in layers],
    )


def read_mean_image(path: pathlib.Path) -> np.ndarray:
    """Reads a `.binaryproto`, such as imagenet_mean.binaryproto.

    Returns:
        (1, channels, rows, columns), BGR as in all of Caffe.

    Raises:
        DataError: Its data do not fit its shape.
    """
    blob = protobuf.parse(_SCHEMA, 'Blob', weight_file.read_bytes(path))
    return _read_blob('the mean image', blob)


def _get_kind(kind: str | int) -> str:
    kind = kind.lower() if isinstance(kind, str) else kind
    return _KINDS.get(kind, str(kind))


def _read_blobs(layer: message.Message) -> Iterator[tuple[str, np.ndarray]]:
    for index, blob in enumerate(layer.blobs):
        name = f'{layer.name}/{index}'
        yield name, _read_blob(name, blob)


def _read_blob(name: str, blob: message.Message) -> np.ndarray:
    is_new = blob.HasField('shape')
    shape = blob.shape.dim if is_new else (blob.num, blob.channels, blob.height, blob.width)
    dtype = np.dtype('<f8' if blob.double_data else '<f4')
    return weight_file.from_bytes(name, blob.double_data or blob.data, dtype, tuple(shape))
