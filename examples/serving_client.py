"""Classifies image files with TensorFlow Serving, over gRPC.

    pip install tensorflow-serving-api
    python examples/serving_client.py --server=localhost:8500 photo.jpg other.png

Prints a line for each file: its top classes, or what is wrong with it.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_BATCH_IMAGES, _BATCH_BYTES = 32, 128 << 20  # a larger image is a batch of its own
_MAX_MESSAGE_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """The contents of a file, or the error that prevented reading it."""

    path: str
    data: bytes = b''
    error: str = ''


def main() -> int:
    """Classifies the files of the command line; the status is 1 if the server fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--server', default='localhost:8500', help='host:port (%(default)s)')
    parser.add_argument('--model', default='alexnet', help='name of the model (%(default)s)')
    parser.add_argument('--timeout_secs', type=float, default=60, help='of a request (%(default)s)')
    parser.add_argument('files', nargs='+', help='JPEG, PNG, GIF, BMP or WebP')
    args = parser.parse_args()
    options = [
        (f'grpc.max_{way}_message_length', _MAX_MESSAGE_BYTES) for way in ('send', 'receive')
    ]
    with grpc.insecure_channel(args.server, options=options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for batch in make_batches(map(read_file, args.files)):
            request = create_request(args.model, [file.data for file in batch if not file.error])
            try:
                response = stub.Predict(request, timeout=args.timeout_secs)
            except grpc.RpcError as error:
                print(f'{args.server}: {error.code().name}: {error.details()}', file=sys.stderr)
                return 1
            predictions = format_predictions(response)
            for file in batch:
                print(f'{file.path}: {file.error or next(predictions)}')
    return 0


def read_file(path: str) -> ImageFile:
    """Reads a file."""
    try:
        with open(path, 'rb') as file:
            return ImageFile(path, file.read())
    except OSError as error:
        return ImageFile(path, error=f'error: {error.strerror}')


def make_batches(files: Iterable[ImageFile]) -> Iterator[list[ImageFile]]:
    """Groups files so that a request exceeds no limit of the server."""
    batch, size = [], 0
    for file in files:
        if batch and (len(batch) == _BATCH_IMAGES or size + len(file.data) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += len(file.data)
    if batch:
        yield batch


def create_request(model: str, images: list[bytes]) -> predict_pb2.PredictRequest:
    """Creates a request to the signature that reports an unreadable image only in its row."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, 'tolerant'
    request.inputs['images'].CopyFrom(tf.make_tensor_proto(images, tf.string, [len(images)]))
    return request


def format_predictions(response: predict_pb2.PredictResponse) -> Iterator[str]:
    """Formats a row of the response for each image."""
    errors, classes, probabilities = (
        tf.make_ndarray(response.outputs[name]) for name in ('errors', 'classes', 'probabilities')
    )
    for error, names, values in zip(errors, classes, probabilities, strict=True):
        top = [f'{name.decode()} {value:.1%}' for name, value in zip(names, values, strict=True)]
        yield f'error: {error.decode()}' if error else ', '.join(top)


if __name__ == '__main__':
    sys.exit(main())
