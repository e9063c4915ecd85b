"""The SavedModel of a tiny network, and a server that speaks TensorFlow Serving's protocol."""

import concurrent.futures
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.export import saved_model, signatures
from alexnet_tf.models import alexnet, recipes
from input_pipeline.batches import preprocessing
from input_pipeline.images import rendering

CLASSES = ('cat', 'dog', 'n01440764 tench, Tinca tinca')


def encode_noise(kind, mode='RGB', size=(90, 70), seed=0, **options):
    """Encodes an image of noise, also of its opacity if the mode has that."""
    shape = (size[1], size[0], 4 if mode == 'RGBA' else 3)
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(values).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope='session')
def encode():
    return encode_noise


@pytest.fixture(scope='session')
def model():
    """A network with random weights."""
    return alexnet.build(
        recipes.SOURCE2012.replace(crop_size=67, initial_sd=0.1, initial_sd_hidden=0.1),
        num_classes=len(CLASSES),
        width=0.1,
    )


@pytest.fixture(scope='session')
def served(model):
    mean_image = np.full((80, 80, 3), 120.0, np.float32)
    return signatures.ServedModel.from_keras(
        model, CLASSES, preprocessing.Preprocessing(mean_image, 67), rendering=rendering.OWN_IMAGES
    )


@pytest.fixture(scope='session')
def version(served, tmp_path_factory):
    """The directory of its SavedModel."""
    functions = signatures.build(served)
    images = [encode_noise('JPEG', seed=seed) for seed in range(3)]
    scores = functions['serving_default'](tf.constant(images))['scores']
    with pytest.MonkeyPatch.context() as patch:
        # The tests here are that check.
        patch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)
        exported = saved_model.write(
            tmp_path_factory.mktemp('served') / 'alexnet',
            served,
            functions,
            source={},
            reference=(images, scores.numpy()),
        )
    return exported.path


@pytest.fixture(scope='session')
def loaded(version):
    """The signatures of the SavedModel, loaded."""
    return tf.saved_model.load(str(version)).signatures


@pytest.fixture(scope='session')
def server(version, loaded):
    """host:port of a PredictionService on the official stubs; not TensorFlow Serving itself."""
    grpc = pytest.importorskip('grpc')
    apis = pytest.importorskip('tensorflow_serving.apis.prediction_service_pb2_grpc')
    grpc_server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(2),
        options=[(f'grpc.max_{way}_message_length', -1) for way in ('send', 'receive')],
    )
    apis.add_PredictionServiceServicer_to_server(
        _create_service(apis, version, loaded), grpc_server
    )
    port = grpc_server.add_insecure_port('localhost:0')
    grpc_server.start()
    yield f'localhost:{port}'
    grpc_server.stop(None)


def _create_service(apis, version, loaded):
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
                outputs = loaded[name](images=images)
            except tf.errors.InvalidArgumentError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            for output, value in outputs.items():
                response.outputs[output].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

        def GetModelMetadata(self, request, context):  # noqa: N802
            saved = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
            signature_map = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in saved.meta_graphs[0].signature_def.items():
                signature_map.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata['signature_def'].Pack(signature_map)
            response.model_spec.name = request.model_spec.name
            return response

    return Service()
