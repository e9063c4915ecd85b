"""What a served network answers: encoded pictures or pixels in, names and probabilities out."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from input_pipeline import pictures, preprocessing

TOP = 5


def build(
    model: keras.Model, classes: Sequence[str], mean_image: np.ndarray, *, crop_size: int
) -> dict[str, tuple[Callable, tf.TensorSpec]]:
    """The signatures by name, each a function and what it takes.

    The preprocessing is evaluation's, from the original picture: shorter side 256, central
    square, central crop, minus the mean image.

    Args:
        model: images -> logits, without device scopes.
        classes: Names in label order.
        mean_image: (size, size, 3) float32; 256 is the usual size.
        crop_size: Side of what the network sees.

    Returns:
        serving_default: images (batch,) string, each an encoded JPEG, PNG, BMP, WebP or GIF.
        pixels: images (batch, height, width, 3) uint8 RGB, of any one size.
        Both give classes (batch, 5) string and probabilities (batch, 5) float32, the best first,
        and scores (batch, classes) float32, all probabilities in label order.
    """

    def answer(squares):
        views = preprocessing.views(squares, mean_image, crop_size=crop_size, number=1)
        scores = tf.nn.softmax(model(views, training=False))
        best = tf.math.top_k(scores, min(TOP, len(classes)))
        names = tf.gather(tf.constant(classes), best.indices)
        return {'classes': names, 'probabilities': best.values, 'scores': scores}

    def squares_of(function, images):
        size = len(mean_image)
        square = tf.TensorSpec([size, size, pictures.CHANNELS], tf.uint8)
        return tf.map_fn(function, images, fn_output_signature=square)

    def encoded(images):
        return answer(
            squares_of(lambda each: pictures.square(pictures.decode(each), len(mean_image)), images)
        )

    def pixels(images):
        return answer(squares_of(lambda each: pictures.square(each, len(mean_image)), images))

    sizes = [None, None, None, pictures.CHANNELS]
    return {
        'serving_default': (encoded, tf.TensorSpec([None], tf.string, name='images')),
        'pixels': (pixels, tf.TensorSpec(sizes, tf.uint8, name='images')),
    }
