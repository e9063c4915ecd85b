"""Asks TensorFlow Serving about pictures, over gRPC. Needs no TensorFlow of one's own making:

pip install tensorflow-serving-api
python examples/serving_client.py --server=localhost:8500 photo.jpg other.png

A line for each picture: its file and the likeliest classes, or what is wrong with it.
"""

import argparse
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_AT_ONCE = 32  # pictures of a request
_MOST_BYTES = 256 << 20  # of a message


def main() -> int:
    """The exit status: 0, or 1 where the server does not answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--server', default='localhost:8500')
    parser.add_argument('--model', default='alexnet')
    parser.add_argument('--timeout_secs', type=float, default=60)
    parser.add_argument('files', nargs='+')
    asked = parser.parse_args()
    options = [(f'grpc.max_{way}_message_length', _MOST_BYTES) for way in ('send', 'receive')]
    with grpc.insecure_channel(asked.server, options=options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for start in range(0, len(asked.files), _AT_ONCE):
            files = asked.files[start : start + _AT_ONCE]
            try:
                answer = stub.Predict(_request(asked.model, files), timeout=asked.timeout_secs)
            except grpc.RpcError as error:
                print(f'{asked.server}: {error.code().name}: {error.details()}', file=sys.stderr)
                return 1
            for line in _lines(files, answer.outputs):
                print(line)
    return 0


def _request(model: str, files: list[str]) -> predict_pb2.PredictRequest:
    """`tolerant`: one picture that cannot be read does not spoil the others' answers."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, 'tolerant'
    encoded = []
    for each in files:
        with open(each, 'rb') as file:
            encoded.append(file.read())
    request.inputs['images'].CopyFrom(tf.make_tensor_proto(encoded))
    return request


def _lines(files, outputs):
    errors, classes, probabilities = (
        tf.make_ndarray(outputs[name]) for name in ('errors', 'classes', 'probabilities')
    )
    for file, error, names, shares in zip(files, errors, classes, probabilities, strict=True):
        best = [f'{name.decode()} {share:.1%}' for name, share in zip(names, shares, strict=True)]
        yield f'{file}: error: {error.decode()}' if error else f'{file}: {", ".join(best)}'


if __name__ == '__main__':
    sys.exit(main())
