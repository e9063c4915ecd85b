"""Renders JPEGs that are shown as they are, as almost all images are: many in one call.

The results are those of `rendering.render_square` and `decoding.encode_jpeg`, to the bit, in two
thirds of the time of one image per call. Each call of a graph from Python costs 0.15 ms.
"""

import functools
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from input_pipeline.images import decoding, headers, jpeg
from input_pipeline.images import rendering as rendering_lib

_TRACING = threading.Lock()


class PlainJpeg(NamedTuple):
    """What is known of a plain JPEG.

    Attributes:
        kind: See `headers.check`.
        treatments: See `rendering.render_square`.
    """

    kind: str
    treatments: tuple[str, ...]


def recognize(encoded: bytes, rendering: rendering_lib.Rendering) -> PlainJpeg | None:
    """Recognizes a JPEG whose pixels are shown as they are.

    Args:
        encoded: A whole file of any kind.
        rendering: How it is to be shown.

    Returns:
        None for every other file, and for one that `headers.check` may refuse.
    """
    if not encoded.startswith(headers.JPEG) or len(encoded) > headers.MAX_BYTES:
        return None
    header = jpeg.read_header(encoded)
    if not 0 < header.width * header.height <= headers.MAX_PIXELS:
        return None
    treatments = rendering_lib.list_treatments(header.metadata, rendering)
    if rendering_lib.changes_pixels(treatments) or jpeg.has_too_many_scans(encoded):
        return None
    return PlainJpeg(headers.name_jpeg(header.channels), treatments)


def render(
    encoded: Sequence[bytes], size: int, *, quality: int, halves_colour: bool
) -> tuple[np.ndarray, list[bytes]]:
    """Renders plain JPEGs, and encodes the squares.

    Args:
        encoded: The files.
        size: Side of the squares in pixels.
        quality: Quality of the encoded squares, see `decoding.encode_jpeg`; 0 for none.
        halves_colour: Whether they have colours at half the resolution.

    Returns:
        (len(encoded), size, size, 3) uint8 RGB, and each square as JPEG; empty with quality 0.

    Raises:
        tf.errors.OpError: One of them is damaged.
    """
    with _TRACING:  # once, not in each thread
        render_all = _trace(size, quality, halves_colour)
    squares, stored = render_all(tf.constant(encoded))
    return squares.numpy(), stored.numpy().tolist()


@functools.cache
def _trace(size: int, quality: int, halves_colour: bool):
    def render_one(encoded):
        with tf.device('/CPU:0'):
            square = rendering_lib.render_jpeg(encoded, rendering_lib.PLAIN, size).square
            if not quality:
                return square, tf.constant('')
            return square, decoding.encode_jpeg(square, quality, halves_colour=halves_colour)

    specs = tf.TensorSpec([size, size, decoding.CHANNELS], tf.uint8), tf.TensorSpec([], tf.string)
    render_all = tf.function(
        lambda encoded: tf.map_fn(
            render_one, encoded, fn_output_signature=specs, parallel_iterations=1
        ),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    return render_all.get_concrete_function()
