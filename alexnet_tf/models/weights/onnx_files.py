"""Reads the initialisers and the layers of `.onnx` files.

The `onnx` package is not used: it turns a gigabyte of empty nodes into objects of eighty times
the size.
"""

import pathlib

import ml_dtypes
import numpy as np
from google.protobuf import message

from alexnet_tf.models.weights import protobuf, weight_file
from input_pipeline import errors

FORMAT = 'ONNX'
# ONNX's schema, as far as it is read.
_SCHEMA: protobuf.Schema = {
    'Model': {'graph': (7, 'Graph', False)},
    'Graph': {'node': (1, 'Node', True), 'initializer': (5, 'Tensor', True)},
    'Node': {'name': (3, protobuf.STRING, False), 'op_type': (4, protobuf.STRING, False)},
    'Tensor': {
        'dims': (1, protobuf.INT64, True),
        'data_type': (2, protobuf.INT32, False),
        'float_data': (4, protobuf.BYTES, False),
        'int32_data': (5, protobuf.BYTES, False),  # of two-byte numbers, too
        'name': (8, protobuf.STRING, False),
        'raw_data': (9, protobuf.BYTES, False),
        'double_data': (10, protobuf.BYTES, False),
        'data_location': (14, protobuf.INT32, False),
    },
}
_EXTERNAL = 1
# By data_type. Integers are no weights: they are the shapes that a graph reshapes to.
_DTYPES = {
    1: np.dtype('<f4'),
    10: np.dtype('<f2'),
    11: np.dtype('<f8'),
    16: np.dtype(ml_dtypes.bfloat16),
}
_KINDS = {
    'Conv': 'convolution',
    'LRN': 'normalization',
    'MaxPool': 'max_pool',
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads an `.onnx` file.

    Returns:
        Initialisers of floating-point numbers by name, and the nodes of the graph in order.

    Raises:
        DataError: Initialisers lie in other files, have one name, or have other data than shape.
    """
    graph = protobuf.parse(_SCHEMA, 'Model', weight_file.read_bytes(path)).graph
    tensors = [tensor for tensor in graph.initializer if tensor.data_type in _DTYPES]
    layers = [(node.name, _KINDS.get(node.op_type, node.op_type)) for node in graph.node]
    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect((tensor.name, _to_array(tensor)) for tensor in tensors),
        [weight_file.Layer(name, kind) for name, kind in layers],
    )


def _to_array(tensor: message.Message) -> np.ndarray:
    if tensor.data_location == _EXTERNAL:
        raise errors.DataError(f'{tensor.name} lies in another file.')
    dtype, shape = _DTYPES[tensor.data_type], tuple(tensor.dims)
    data = tensor.raw_data or tensor.float_data or tensor.double_data
    if tensor.int32_data:
        data = protobuf.parse_packed(tensor.int32_data).tobytes()
    return weight_file.from_bytes(tensor.name, data, dtype, shape)
