"""Reads `images` arguments of any kind: paths, pixels, PIL images or data sets."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf.config import fields
from input_pipeline import errors, files, python_functions
from input_pipeline.batches import preprocessing
from input_pipeline.images import decoding, foreign_formats, headers, jpeg
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.sources import listing

Image = str | np.ndarray  # a path, or (height, width, 3) uint8 RGB

_EXPECTED = (
    'expected a path, a PIL image, (height, width, 3) or (n, height, width, 3) uint8 RGB, a list '
    'of these, or a tf.data.Dataset of such arrays'
)


def list_images(images: Any, *, rendering: rendering_lib.Rendering) -> Iterable[Image]:
    """Lists images one by one: in a list, or in an iterator for a data set.

    Args:
        images: A path of a file, or of a folder for all files below it; a PIL image; an array or
            tensor (height, width, 3) or (n, height, width, 3) uint8 RGB; a list of these; or a
            tf.data.Dataset of such arrays, or of tuples with such an array first.
        rendering: How PIL images become pixels.

    Returns:
        Paths of files, and pixels (height, width, 3) uint8 RGB.

    Raises:
        UsageError: There are no images, or something else is given.
        DataError: A path does not exist.
    """
    if isinstance(images, tf.data.Dataset):
        return (image for image, _ in iterate_dataset(images))
    listed = list(_flatten(images, rendering))
    if not listed:
        raise fields.UsageError(f'images: there are none in {images!r}; {_EXPECTED}.')
    return listed


def iterate_dataset(dataset: tf.data.Dataset) -> Iterator[tuple[np.ndarray, Any]]:
    """Iterates over the images of a data set, each with its label.

    Args:
        dataset: A data set of images (height, width, 3) uint8 RGB, of batches of them, or of
            (images, labels, ...).

    Yields:
        The image and its label, which is None if there are no labels.

    Raises:
        UsageError: The elements are something else.
    """
    spec = dataset.element_spec
    has_labels = isinstance(spec, tuple) and len(spec) > 1
    first = spec[0] if isinstance(spec, tuple) else spec
    dtype, rank = (
        getattr(first, 'dtype', None),
        getattr(getattr(first, 'shape', None), 'rank', None),
    )
    if dtype != tf.uint8 or rank not in (3, 4):
        kind = f'a data set of {getattr(dtype, "name", "other")} elements of rank {rank}'
        raise fields.UsageError(f'images: {kind}; {_EXPECTED}.')

    def iterate():
        for element in (dataset.unbatch() if rank == 4 else dataset).as_numpy_iterator():
            image = element[0] if isinstance(spec, tuple) else element
            _check_pixels(image)
            yield image, element[1] if has_labels else None

    return iterate()


def read_central_crop(path: tf.Tensor, size: int, rendering: rendering_lib.Rendering) -> tf.Tensor:
    """Reads the centre of an image file, in a graph.

    Args:
        path: Scalar string.
        size: Side of the crop. The central square of the image is resized to 8/7 of it.
        rendering: How the file becomes pixels.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        tf.errors.InvalidArgumentError: The file is not a readable image; the message names it.
    """
    # Headers in Python, as in `prepare`: in the graph they cost more than decoding the image.
    encoded = tf.io.read_file(path)
    dtypes = [tf.int32, tf.string, tf.string, tf.string]
    inspected = python_functions.call(_inspect, [encoded], dtypes)
    *metadata, converted, problem = (tf.ensure_shape(value, []) for value in inspected)
    encoded = tf.where(converted == '', encoded, converted)

    @tf.autograph.experimental.do_not_convert
    def decode(encoded, *metadata):
        rendered = rendering_lib.render(
            encoded, rendering, round(size * 8 / 7), jpeg_metadata=jpeg.Metadata(*metadata)
        )
        return preprocessing.central_crop(rendered.square, size), ''

    # A data set, because it can drop an image that fails; the second element then replaces it.
    black = tf.zeros([size, size, decoding.CHANNELS], tf.uint8)
    failed = tf.data.Dataset.from_tensors((black, decoding.UNREADABLE))
    readable = tf.data.Dataset.from_tensors((encoded, *metadata)).take(
        tf.cast(problem == '', tf.int64)
    )
    decoded = readable.map(decode).ignore_errors().concatenate(failed).take(1)
    image, failure = decoded.with_options(decoding.create_dataset_options()).get_single_element()
    problem = tf.where(problem == '', failure, problem)
    message = tf.strings.join([path, ': ', problem])
    with tf.control_dependencies([tf.debugging.Assert(problem == '', [message])]):
        return tf.ensure_shape(image, black.shape)


def _inspect(encoded: bytes) -> tuple[np.int32, bytes, bytes, bytes]:
    """Returns (orientation, ICC profile, PNG made from a HEIC or AVIF, problem or empty)."""
    try:
        headers.check_bytes(encoded)
        name, decodable = foreign_formats.convert(encoded, headers.MAX_PIXELS)
        if not name:  # a converted image may exceed the limit
            headers.check(decodable)
    except (tf.errors.OpError, ValueError) as error:
        return np.int32(1), b'', b'', errors.describe(error).encode()
    orientation, profile = jpeg.read_metadata(encoded)
    return np.int32(orientation), profile, decodable if name else b'', b''


def _flatten(images: Any, rendering: rendering_lib.Rendering) -> Iterator[Image]:
    if isinstance(images, (str, os.PathLike)):
        yield from _list_files(os.path.expanduser(images))
    elif isinstance(images, (list, tuple)):
        for image in images:
            yield from _flatten(image, rendering)
    elif _is_pil(images):
        yield _read_pil(images, rendering)
    else:
        pixels = np.asarray(images)
        if pixels.dtype == object:
            raise fields.UsageError(f'images: a {type(images).__name__}; {_EXPECTED}.')
        _check_pixels(pixels)
        yield from pixels if pixels.ndim == 4 else (pixels,)


def _list_files(path: str) -> list[str]:
    if not files.exists(path) and not os.path.islink(path):
        raise errors.DataError(f'{path}: no such file or folder.')
    location = files.as_path(path)
    if not location.is_dir():
        return [path]
    return list(map(os.fspath, listing.Lister(location).list_images(location)))


def _is_pil(image: Any) -> bool:
    """Returns whether an image is a PIL image, without importing PIL."""
    pil = sys.modules.get('PIL.Image')
    return pil is not None and isinstance(image, pil.Image)


def _read_pil(image: Any, rendering: rendering_lib.Rendering) -> np.ndarray:
    from PIL import ImageOps  # installed if there is such an image, but optional

    if image.mode in ('F', 'I') or image.mode.startswith('I;'):
        raise fields.UsageError(
            f'images: a PIL image of mode {image.mode}; expected 8 bits, from 0 to 255. Convert '
            'it, or give the path of its file.'
        )
    upright = ImageOps.exif_transpose(image) if rendering.exif_orientation else image
    rgba = np.asarray(upright.convert('RGBA'))
    return rendering_lib.render_pixels(rgba, image.info.get('icc_profile') or b'', rendering)


def _check_pixels(pixels: np.ndarray) -> None:
    is_image = pixels.ndim in (3, 4) and pixels.shape[-1] == decoding.CHANNELS
    if not is_image or 0 in pixels.shape[-3:]:
        grey = ' For a grey image x, pass np.stack([x] * 3, -1).' if pixels.ndim == 2 else ''
        raise fields.UsageError(
            f'images: an array of shape {pixels.shape} and dtype {pixels.dtype}; {_EXPECTED}.{grey}'
        )
    if pixels.dtype != np.uint8:
        is_share = (
            np.issubdtype(pixels.dtype, np.floating)
            and pixels.size
            and 0 <= pixels.min() <= pixels.max() <= 1
        )
        how = ' after multiplying by 255' if is_share else ' before subtracting any mean'
        raise fields.UsageError(
            f'images: an array of dtype {pixels.dtype}; expected uint8, RGB from 0 to 255. Convert '
            f'it{how}.'
        )
