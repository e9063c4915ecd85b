"""The signatures of a served network: encoded images or pixels in, class names and scores out."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Self

import keras
import tensorflow as tf

from alexnet_tf.export import reduced_precision, untrusted_images
from alexnet_tf.models import features, inference, outputs
from input_pipeline.batches import preprocessing
from input_pipeline.images import decoding, graph_headers
from input_pipeline.images import rendering as rendering_lib

MAX_TEN_CROP_IMAGES = 32  # per request
_TEN_CROP = outputs.VIEWS['10']
_ENCODED = tf.TensorSpec([None], tf.string, name='images')


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A trained network and what its signatures need besides it.

    Attributes:
        compute_logits: Images (n, crop_size, crop_size, 3) float32 -> logits (n, classes).
        compute_features: The same images -> the last hidden layer, (n, 4096 at width 1) float32.
        class_names: Names in label order.
        preprocess: Makes the images from squares, 256 x 256 for ImageNet's recipes.
        rendering: How the files of images become pixels.
        variables: The variables that the two functions read.
    """

    compute_logits: Callable[[tf.Tensor], tf.Tensor]
    compute_features: Callable[[tf.Tensor], tf.Tensor]
    class_names: Sequence[str]
    preprocess: preprocessing.Preprocessing
    rendering: rendering_lib.Rendering = rendering_lib.PLAIN
    variables: Sequence[tf.Variable] = ()

    @classmethod
    def from_keras(
        cls,
        model: keras.Model,
        class_names: Sequence[str],
        preprocess: preprocessing.Preprocessing,
        *,
        rendering: rendering_lib.Rendering = rendering_lib.PLAIN,
        stored_dtype: str = '',
    ) -> Self:
        """Wraps a Keras model whose outputs are logits and that has no device scopes.

        Args:
            model: Images (n, crop_size, crop_size, 3) float32 -> logits (n, classes).
            class_names: Names in label order.
            preprocess: Makes its images from squares.
            rendering: How the files of images become pixels.
            stored_dtype: Dtype to store weights in and to widen them from at each call, 'bfloat16'
                or 'float16'; '' for the layers' own dtype.
        """
        if stored_dtype:
            reduced = reduced_precision.ReducedWeights(model.weights, stored_dtype)
            variables, as_function = reduced.variables, reduced.as_function
        else:
            model = inference.build(model)
            variables, as_function = [weight.value for weight in model.weights], _run_inference
        extractor = features.build_feature_extractor(model)
        return cls(
            *(_allow_empty(as_function(part)) for part in (model, extractor)),
            class_names,
            preprocess,
            rendering,
            list(variables),
        )


def build(served: ServedModel) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """Builds the signatures, each a function of `images`.

    They preprocess as evaluation does, from the original image: shorter side 256, central square
    (or, if the run's images are stretched, 256 x 256), central crop, minus the mean image.

    Args:
        served: The network to serve.

    Returns:
        A function per signature:

        - serving_default: (batch,) string, each an encoded JPEG, PNG, BMP, WebP or GIF.
        - pixels: (batch, height, width, 3) uint8 RGB, of any size that the batch shares.
        - ten_views: As serving_default, averaged over the ten crops of section 4.1.
        - tolerant: As serving_default, but an unreadable image affects its own row only.
        - features: As serving_default; returns features (batch, 4096) float32.

        All but the last return classes (batch, 5) string and probabilities (batch, 5) float32,
        the top 5 in descending order, or all if there are fewer, and scores (batch, classes)
        float32, the softmax in label order. tolerant also returns errors (batch,) string, '' for a
        readable image; the other outputs of an unreadable image are empty strings and zeros.

    Raises, when called:
        tf.errors.InvalidArgumentError: An image cannot be read (the message has its index), or
            there are too many images or pixels.
    """
    functions = _SignatureFunctions(served)
    sizes = [None, None, None, decoding.CHANNELS]
    return {
        'serving_default': _trace(functions.serving_default, _ENCODED),
        'pixels': _trace(functions.pixels, tf.TensorSpec(sizes, tf.uint8, name='images')),
        'ten_views': _trace(functions.ten_views, _ENCODED),
        'tolerant': _trace(functions.tolerant, _ENCODED),
        'features': _trace(functions.features, _ENCODED),
    }


class _SignatureFunctions:
    """The functions behind the signatures; four of them share the traced decoder."""

    def __init__(self, served: ServedModel):
        self._served, self._size = served, served.preprocess.square_size
        self._decode = _trace(self._decode_squares, _ENCODED)

    def serving_default(self, images):
        return self._classify(self._read_squares(images))

    def ten_views(self, images):
        check = untrusted_images.assert_request_size(tf.size(images), MAX_TEN_CROP_IMAGES)
        with tf.control_dependencies([check]):
            images = tf.identity(images)
        return self._classify(self._read_squares(images), _TEN_CROP)

    def features(self, images):
        views = self._served.preprocess.make_views(self._read_squares(images), 1)
        return {'features': self._served.compute_features(views)}

    def tolerant(self, images):
        squares, problems = self._decode(images)
        is_readable = (problems == '')[:, None]
        results = {
            name: tf.where(is_readable, result, tf.zeros_like(result))  # '' for strings
            for name, result in self._classify(squares).items()
        }
        return results | {'errors': problems}

    def pixels(self, images):
        checks = [
            untrusted_images.assert_request_size(tf.shape(images)[0]),
            _assert_image_size(images),
        ]
        with tf.control_dependencies(checks):
            images = tf.identity(images)
        squares = tf.map_fn(
            lambda image: self._served.rendering.fit_to_square(image, self._size),
            images,
            fn_output_signature=tf.TensorSpec(
                [self._size, self._size, decoding.CHANNELS], tf.uint8
            ),
        )
        return self._classify(squares)

    def _decode_squares(self, images):
        return untrusted_images.decode_squares(
            images, size=self._size, rendering=self._served.rendering
        )

    def _read_squares(self, images):
        squares, problems = self._decode(images)
        with tf.control_dependencies([untrusted_images.assert_readable(problems)]):
            return tf.identity(squares)

    def _classify(self, squares, views=1):
        logits = self._served.compute_logits(self._served.preprocess.make_views(squares, views))
        scores = outputs.average_probabilities(logits, views)
        top = tf.math.top_k(scores, min(outputs.TOP_K, len(self._served.class_names)))
        names = tf.gather(tf.constant(self._served.class_names), top.indices)
        return {'classes': names, 'probabilities': top.values, 'scores': scores}


def _trace(function: Callable, images: tf.TensorSpec):
    return tf.function(function, input_signature=[images], autograph=False)


def _run_inference(model: keras.Model) -> Callable:
    return lambda images: model(images, training=False)


def _allow_empty(compute: Callable) -> Callable:
    """Lets a function take a batch of 0 images, on which oneDNN's convolutions fail."""

    @tf.function(autograph=False)  # the signatures share it, and the constants in it
    def compute_any(images):
        count = tf.shape(images)[0]
        padding = tf.zeros([tf.cast(count == 0, tf.int32), *images.shape[1:]], images.dtype)
        return compute(tf.concat([images, padding], 0))[:count]

    return compute_any


def _assert_image_size(images) -> tf.Operation:
    _, height, width, _ = tf.unstack(tf.cast(tf.shape(images), tf.int64))
    problem = graph_headers.find_size_problem(width, height, untrusted_images.MAX_IMAGE_PIXELS)
    return tf.debugging.Assert(problem == '', [tf.strings.join(['images: ', problem])])
