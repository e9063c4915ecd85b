"""A tiny network's SavedModel, and a server of it on TensorFlow Serving's own protocol."""

import concurrent.futures
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.export import saved_model, signatures
from alexnet_tf.models import alexnet, recipes

CLASSES = ('cat', 'dog', 'n01440764 tench, Tinca tinca')


def encoded_as(kind, mode='RGB', size=(90, 70), seed=0, **options):
    """A picture of noise."""
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(values).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope='session')
def encode():
    return encoded_as


@pytest.fixture(scope='session')
def served():
    """A network that was never trained."""
    model = alexnet.build(
        recipes.resolve('source2012', crop_size=67, initial_sd=0.1, initial_sd_hidden=0.1),
        num_classes=len(CLASSES),
        width=0.1,
    )
    mean_image = np.full((80, 80, 3), 120.0, np.float32)
    return model, signatures.of(model, CLASSES, mean_image, crop_size=67, turned=True)


@pytest.fixture(scope='session')
def version(served, tmp_path_factory):
    """The directory of its SavedModel."""
    model, network = served
    answers = signatures.build(network)
    pictures = [encoded_as('JPEG', seed=each) for each in range(3)]
    scores = answers['serving_default'](tf.constant(pictures))['scores']
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, '_difference', lambda *_: 0.0)  # the tests here are that
        written = saved_model.write(
            tmp_path_factory.mktemp('served') / 'alexnet',
            [each.value for each in model.variables if 'seed' not in each.path],
            answers,
            CLASSES,
            checked_with=(pictures, scores.numpy()),
        )
    return written.path


@pytest.fixture(scope='session')
def loaded(version):
    """Its signatures, loaded."""
    return tf.saved_model.load(str(version)).signatures


@pytest.fixture(scope='session')
def server(version, loaded):
    """host:port of a PredictionService on the official stubs; not TensorFlow Serving itself."""
    grpc = pytest.importorskip('grpc')
    apis = pytest.importorskip('tensorflow_serving.apis.prediction_service_pb2_grpc')
    running = grpc.server(
        concurrent.futures.ThreadPoolExecutor(2),
        options=[(f'grpc.max_{way}_message_length', -1) for way in ('send', 'receive')],
    )
    apis.add_PredictionServiceServicer_to_server(_service(apis, version, loaded), running)
    port = running.add_insecure_port('localhost:0')
    running.start()
    yield f'localhost:{port}'
    running.stop(None)


def _service(apis, version, loaded):
    import grpc
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

    class Service(apis.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802, the protocol's name
            name = request.model_spec.signature_name or 'serving_default'
            images = tf.constant(tf.make_ndarray(request.inputs['images']))
            if images.dtype == tf.string:
                images = tf.reshape(images, [-1])
            response = predict_pb2.PredictResponse()
            try:
                answer = loaded[name](images=images)
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            for output, value in answer.items():
                response.outputs[output].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

        def GetModelMetadata(self, request, context):  # noqa: N802
            saved = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
            known = get_model_metadata_pb2.SignatureDefMap()
            for name, each in saved.meta_graphs[0].signature_def.items():
                known.signature_def[name].CopyFrom(each)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata['signature_def'].Pack(known)
            response.model_spec.name = request.model_spec.name
            return response

    return Service()
