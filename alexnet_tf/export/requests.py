"""Example requests, and warm-up requests for TensorFlow Serving.

gRPC requests need the package tensorflow-serving-api; REST requests need no package.
"""

import base64
import importlib
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from input_pipeline.images import decoding

MODEL = 'alexnet'  # name of the model in example requests
SOURCE = pathlib.Path('assets.extra', 'source.json')
WARM_UP = pathlib.Path('assets.extra', 'tf_serving_warmup_requests')


def describe_signatures(version: pathlib.Path, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the inputs and outputs of each signature: name, dtype, shape (-1: any size).

    Args:
        version: Directory of the SavedModel.
        limits: Limits on a request, copied into the description.
    """
    saved_model = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
    (graph,) = saved_model.meta_graphs
    signatures = {
        name: {
            'inputs': _describe_tensors(signature.inputs),
            'outputs': _describe_tensors(signature.outputs),
        }
        for name, signature in sorted(graph.signature_def.items())
        if not name.startswith('__')
    }
    return {'model': MODEL, 'signatures': signatures, 'limits': dict(limits)}


def write_source(version: pathlib.Path, source: Mapping[str, Any]) -> None:
    """Writes the source of an export into its version, in a folder that model servers ignore."""
    path = version / SOURCE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(source), indent=2) + '\n')


def encode_rest(signature: str, encoded: bytes) -> str:
    """Encodes the body of a POST to /v1/models/alexnet:predict.

    Args:
        signature: A signature that takes encoded images.
        encoded: The bytes of an image file.

    >>> print(encode_rest('serving_default', b'bytes of a JPEG'), end='')
    {"signature_name": "serving_default", "instances": [{"b64": "Ynl0ZXMgb2YgYSBKUEVH"}]}
    """
    instance = {'b64': base64.b64encode(encoded).decode()}
    return json.dumps({'signature_name': signature, 'instances': [instance]}) + '\n'


def encode_grpc(signature: str, encoded: bytes) -> bytes | None:
    """Serializes a PredictRequest with one image; None without tensorflow-serving-api."""
    request = _build_request(signature, encoded)
    return request and request.SerializeToString()


def write_warmup_requests(version: pathlib.Path, signatures: Iterable[str], encoded: bytes) -> bool:
    """Writes a request for each signature, which a server runs before it reports ready.

    Args:
        version: Directory of the SavedModel.
        signatures: Names of its signatures.
        encoded: The bytes of an image file.

    Returns:
        Whether tensorflow-serving-api is installed; nothing is written without it.
    """
    requests = [_build_request(name, encoded) for name in signatures]
    if None in requests:
        return False
    prediction_log = importlib.import_module('tensorflow_serving.apis.prediction_log_pb2')
    path = version / WARM_UP
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log.PredictLog(request=request)
            writer.write(prediction_log.PredictionLog(predict_log=log).SerializeToString())
    return True


def _build_request(signature: str, encoded: bytes):
    try:
        predict = importlib.import_module('tensorflow_serving.apis.predict_pb2')
    except ImportError:
        return None
    request = predict.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, signature
    side, channels = decoding.SQUARE_SIZE, decoding.CHANNELS
    pixels = np.zeros((1, side, side, channels), np.uint8)
    images = tf.make_tensor_proto(pixels if signature == 'pixels' else [encoded])
    request.inputs['images'].CopyFrom(images)
    return request


def _describe_tensors(tensors) -> dict[str, Any]:
    return {
        name: {
            'dtype': tf.as_dtype(tensor.dtype).name,
            'shape': [dimension.size for dimension in tensor.tensor_shape.dim],
        }
        for name, tensor in sorted(tensors.items())
    }
