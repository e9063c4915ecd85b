"""What a served network answers: encoded pictures or pixels in, names and probabilities out."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from alexnet_tf.export import untrusted_images
from alexnet_tf.models import alexnet, outputs
from input_pipeline.batches import preprocessing
from input_pipeline.images import decoding, graph_headers

VIEWS = 10
MOST_OF_TEN_VIEWS = 32  # pictures of a request
_ENCODED = tf.TensorSpec([None], tf.string, name='images')


@dataclasses.dataclass(frozen=True)
class Served:
    """A trained network, as it is served.

    Attributes:
        logits: Images (n, crop_size, crop_size, 3) float32 -> (n, classes).
        hidden: The same -> (n, 4096 at width 1) float32, the last hidden layer.
        classes: Names in label order.
        mean_image: (size, size, 3) float32; 256 is the usual size.
        crop_size: Side of what the network sees.
        turned: Whether EXIF orientations count.
    """

    logits: Callable
    hidden: Callable
    classes: Sequence[str]
    mean_image: np.ndarray
    crop_size: int
    turned: bool = False


def _whole(model: keras.Model) -> Callable:
    return lambda images: model(images, training=False)


def of(
    model: keras.Model,
    classes: Sequence[str],
    mean_image: np.ndarray,
    *,
    crop_size: int,
    turned: bool = False,
    call: Callable[[keras.Model], Callable] = _whole,
) -> Served:
    """A network as it is served.

    Args:
        model: images -> logits, without device scopes.
        classes, mean_image, crop_size, turned: As of `Served`.
        call: Makes of a model a function of images; see `narrow`.
    """
    logits, hidden = (_of_none_too(call(each)) for each in (model, alexnet.hidden(model)))
    return Served(logits, hidden, classes, mean_image, crop_size, turned)


def _of_none_too(call: Callable) -> Callable:
    """A function of images that takes none of them, too: oneDNN's convolutions fail on 0 rows."""

    def answer(images):
        number = tf.shape(images)[0]
        missing = tf.cast(number == 0, tf.int32)
        one = tf.zeros([missing, *images.shape[1:]], images.dtype)
        return call(tf.concat([images, one], 0))[:number]

    return answer


def build(served: Served) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """The signatures by name, each a function of `images`.

    The preprocessing is evaluation's, from the original picture: shorter side 256, central
    square, central crop, minus the mean image. A request has at most `strangers.MOST_PICTURES`
    pictures, of ten_views MOST_OF_TEN_VIEWS.

    Returns:
        serving_default: (batch,) string, each an encoded JPEG, PNG, BMP, WebP or GIF.
        pixels: (batch, height, width, 3) uint8 RGB, of any one size.
        ten_views: As serving_default; the mean of ten views of each.
        tolerant: As serving_default, but a picture that cannot be read spoils its own row only.
        features: As serving_default; its answer is features (batch, 4096) float32.

        All but the last give classes (batch, 5) string and probabilities (batch, 5) float32, best
        first, and scores (batch, classes) float32, all probabilities in label order; tolerant
        gives errors (batch,) string, too, '' where all is well, and empty names, zeros elsewhere.

    Raises, when run:
        tf.errors.InvalidArgumentError: A picture that cannot be read, by its place in the batch;
            too many pictures, too many pixels.
    """
    sizes = [None, None, None, decoding.CHANNELS]
    pixels = tf.TensorSpec(sizes, tf.uint8, name='images')
    answers = _Answers(served)
    return {
        'serving_default': _function(answers.encoded, _ENCODED),
        'pixels': _function(answers.pixels, pixels),
        'ten_views': _function(answers.ten_views, _ENCODED),
        'tolerant': _function(answers.tolerant, _ENCODED),
        'features': _function(answers.features, _ENCODED),
    }


def _function(answer: Callable, images: tf.TensorSpec):
    return tf.function(answer, input_signature=[images], autograph=False)


class _Answers:
    """The signatures' functions."""

    def __init__(self, served: Served):
        self._served, self._size = served, len(served.mean_image)
        # A function of its own, so that four signatures have it in common.
        self._read = _function(
            lambda images: untrusted_images.squares(images, size=self._size, turned=served.turned),
            _ENCODED,
        )

    def encoded(self, images):
        return self._answer(self._squares(images))

    def ten_views(self, images):
        with tf.control_dependencies(
            [untrusted_images.check_number(tf.size(images), MOST_OF_TEN_VIEWS)]
        ):
            images = tf.identity(images)
        return self._answer(self._squares(images), VIEWS)

    def features(self, images):
        return {'features': self._served.hidden(self._views(self._squares(images), 1))}

    def tolerant(self, images):
        squares, problems = self._read(images)
        good = (problems == '')[:, None]
        answer = self._answer(squares)
        zeros = {name: tf.zeros_like(each) for name, each in answer.items()}  # '' of strings
        kept = {name: tf.where(good, each, zeros[name]) for name, each in answer.items()}
        return kept | {'errors': problems}

    def pixels(self, images):
        checks = [untrusted_images.check_number(tf.shape(images)[0]), _check_pixels(images)]
        with tf.control_dependencies(checks):
            images = tf.identity(images)
        square = tf.TensorSpec([self._size, self._size, decoding.CHANNELS], tf.uint8)
        squares = tf.map_fn(
            lambda each: decoding.square(each, self._size), images, fn_output_signature=square
        )
        return self._answer(squares)

    def _squares(self, images):
        squares, problems = self._read(images)
        with tf.control_dependencies([untrusted_images.refuse(problems)]):
            return tf.identity(squares)

    def _views(self, squares, number):
        return preprocessing.views(
            squares, self._served.mean_image, crop_size=self._served.crop_size, number=number
        )

    def _answer(self, squares, views=1):
        logits = self._served.logits(self._views(squares, views))
        scores = alexnet.averaged_probabilities(logits, views)
        best = tf.math.top_k(scores, min(outputs.TOP_K, len(self._served.classes)))
        names = tf.gather(tf.constant(self._served.classes), best.indices)
        return {'classes': names, 'probabilities': best.values, 'scores': scores}


def _check_pixels(images) -> tf.Operation:
    _, height, width, _ = tf.unstack(tf.cast(tf.shape(images), tf.int64))
    problem = graph_headers.size_problem(width, height, untrusted_images.MOST_PIXELS)
    return tf.debugging.Assert(problem == '', [tf.strings.join(['images: ', problem])])
