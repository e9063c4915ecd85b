"""Reads the initialisers and the layers of `.onnx` files with the `onnx` package."""

import pathlib

import numpy as np

from alexnet_tf.models.weights import weight_file
from input_pipeline import errors

FORMAT = 'ONNX'
_KINDS = {
    'Conv': 'convolution',
    'Gemm': 'fully_connected',
    'Relu': 'relu',
    'LRN': 'normalization',
    'MaxPool': 'max_pool',
    'Dropout': 'dropout',
    'Softmax': 'softmax',
}


def read(path: pathlib.Path) -> weight_file.WeightFile:
    """Reads an `.onnx` file.

    Returns:
        Initialisers by name, and the nodes of the graph in order.

    Raises:
        DataError: Initialisers lie in other files, have one name, or have other data than shape.
        PackageMissing: The `onnx` package is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise errors.PackageMissing(
            f'{path}: .onnx files require onnx: pip install "alexnet_tf[weights]".'
        ) from error
    graph = onnx.load_model_from_string(weight_file.read_bytes(path)).graph

    def to_array(tensor: onnx.TensorProto) -> np.ndarray:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise errors.DataError(f'{tensor.name} lies in another file.')
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        weight_file.count_bytes(tensor.name, tensor.dims, dtype.itemsize)
        return numpy_helper.to_array(tensor)

    return weight_file.WeightFile(
        path,
        FORMAT,
        weight_file.collect((tensor.name, to_array(tensor)) for tensor in graph.initializer),
        [
            weight_file.Layer(node.name, _KINDS.get(node.op_type, node.op_type))
            for node in graph.node
        ],
    )
