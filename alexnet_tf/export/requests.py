"""Requests as examples, and for a server's warm-up. The latter want tensorflow-serving-api."""

import base64
import importlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from input_pipeline.images import decoding

MODEL = 'alexnet'  # the name of the model in examples
WARM_UP = pathlib.Path('assets.extra', 'tf_serving_warmup_requests')


def description(version: pathlib.Path, limits: Mapping[str, Any]) -> dict[str, Any]:
    """What each signature of a SavedModel takes and gives: name, dtype, shape (-1: any).

    Args:
        version: The SavedModel's directory.
        limits: What requests are refused beyond.
    """
    saved = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
    (graph,) = saved.meta_graphs
    found = {
        name: {'inputs': _tensors(each.inputs), 'outputs': _tensors(each.outputs)}
        for name, each in sorted(graph.signature_def.items())
        if not name.startswith('__')
    }
    return {'model': MODEL, 'signatures': found, 'limits': dict(limits)}


def rest(signature: str, encoded: bytes) -> str:
    """The body of a POST to /v1/models/alexnet:predict."""
    asked = {'b64': base64.b64encode(encoded).decode()}
    return json.dumps({'signature_name': signature, 'instances': [asked]}) + '\n'


def grpc(signature: str, encoded: bytes) -> bytes | None:
    """A serialized PredictRequest; None where tensorflow-serving-api is missing."""
    request = _request(signature, encoded)
    return request and request.SerializeToString()


def write_warm_up(version: pathlib.Path, signatures, encoded: bytes) -> bool:
    """One request for each signature, into a version; whether tensorflow-serving-api is there."""
    requests = [_request(name, encoded) for name in signatures]
    if None in requests:
        return False
    log = importlib.import_module('tensorflow_serving.apis.prediction_log_pb2')
    path = version / WARM_UP
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in requests:
            logged = log.PredictionLog(predict_log=log.PredictLog(request=each))
            writer.write(logged.SerializeToString())
    return True


def _request(signature: str, encoded: bytes):
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


def _tensors(tensors) -> dict[str, Any]:
    return {
        name: {
            'dtype': tf.as_dtype(each.dtype).name,
            'shape': [dimension.size for dimension in each.tensor_shape.dim],
        }
        for name, each in sorted(tensors.items())
    }
