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

_AT_ONCE, _BYTES_AT_ONCE = 32, 128 << 20  # most pictures of a request, and most bytes but for one
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
        for pictures in _groups(asked.files):
            request = _request(asked.model, [encoded for _, encoded in pictures])
            try:
                answer = stub.Predict(request, timeout=asked.timeout_secs)
            except grpc.RpcError as error:
                print(f'{asked.server}: {error.code().name}: {error.details()}', file=sys.stderr)
                return 1
            for line in _lines([file for file, _ in pictures], answer.outputs):
                print(line)
    return 0


def _groups(files: list[str]):
    """(file, its bytes) of as many as go into a request; says of a file that it cannot be read."""
    group: list[tuple[str, bytes]] = []
    for each in files:
        read = problem = None
        try:
            with open(each, 'rb') as file:
                read = file.read()
        except OSError as error:
            problem = error.strerror
        held = sum(len(encoded) for _, encoded in group)
        full = len(group) == _AT_ONCE or (read and held + len(read) > _BYTES_AT_ONCE)
        if group and (problem or full):
            yield group
            group = []
        if problem:
            print(f'{each}: error: {problem}')
        else:
            group.append((each, read))
    if group:
        yield group


def _request(model: str, encoded: list[bytes]) -> predict_pb2.PredictRequest:
    """`tolerant`: one picture that cannot be read does not spoil the others' answers."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, 'tolerant'
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
