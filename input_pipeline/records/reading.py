"""Parses records, and decodes the images that they hold."""

import functools
from collections.abc import Callable

import tensorflow as tf

from input_pipeline.images import decoding, rendering
from input_pipeline.records import manifests, references

# The accurate transform, as Pillow's: TensorFlow's default differs by up to 12 grey levels and is
# no faster.
JPEG_OPTIONS = {'channels': decoding.CHANNELS, 'dct_method': decoding.DCT_METHOD}


def parse_records(serialized: tf.Tensor, layout: manifests.Layout) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses records, (n,) string, to (encoded images (n,) string, labels (n,) int64 from 0)."""
    features = {
        layout.image: tf.io.FixedLenFeature([], tf.string),
        layout.label: tf.io.FixedLenFeature([], tf.int64),
    }
    parsed = tf.io.parse_example(serialized, features)
    labels = parsed[layout.label]
    return parsed[layout.image], labels - layout.first_label if layout.first_label else labels


def decode_squares(encoded: tf.Tensor, layout: manifests.Layout) -> tf.Tensor:
    """Decodes whole images.

    Args:
        encoded: (n,) string.
        layout: How records hold images.

    Returns:
        (n, square_size, square_size, 3) uint8 RGB.
    """
    if layout.encoding == 'raw':
        return _decode_raw(encoded, layout.square_size)

    def decode(image):
        return tf.io.decode_jpeg(image, **JPEG_OPTIONS)

    is_reference = layout.encoding == references.ENCODING
    return map_images(_trace(layout) if is_reference else decode, encoded, layout.square_size)


@functools.cache
def _trace(layout: manifests.Layout):
    """Traces how references become squares: once, since it takes seconds."""

    def render(reference):
        image, size = references.read(reference, layout.root), layout.square_size
        return tf.cond(
            image.is_plain,
            lambda: rendering.render_jpeg(image.encoded, rendering.PLAIN, size).square,
            lambda: rendering.render(image.encoded, layout.rendering, size).square,
        )

    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(render, input_signature=signature, autograph=False)


def map_images(function: Callable, elements: tf.Tensor, size: int) -> tf.Tensor:
    """Makes (n, size, size, 3) uint8 RGB by a function of each element.

    One after the other: the next chunk keeps the other cores busy.
    """
    return tf.map_fn(
        function,
        elements,
        fn_output_signature=tf.TensorSpec([size, size, decoding.CHANNELS], tf.uint8),
        parallel_iterations=1,
    )


def _decode_raw(encoded: tf.Tensor, square_size: int) -> tf.Tensor:
    pixels = tf.io.decode_raw(encoded, tf.uint8)
    return tf.reshape(pixels, [-1, square_size, square_size, decoding.CHANNELS])
