"""From a stored image to the input of the network, without randomness."""

import numpy as np
import tensorflow as tf

from input_pipeline.images import decoding
from input_pipeline.records import manifests

_BLOCK = 8  # columns of a JPEG block
# The accurate transform, as Pillow's: TensorFlow's default differs by up to 12 grey levels and is
# no faster.
_JPEG_OPTIONS = {'channels': decoding.CHANNELS, 'dct_method': decoding.DCT_METHOD}


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
        return tf.io.decode_jpeg(image, **_JPEG_OPTIONS)

    return _map_images(decode, encoded, layout.square_size)


def decode_crops(encoded, rows, columns, mirrored, *, crop_size: int, layout: manifests.Layout):
    """Decodes the crop of each image at (row, column), and no more than it needs.

    Args:
        encoded: (n,) string.
        rows: (n,) int32, offsets of the crop from the top.
        columns: (n,) int32, offsets of the crop from the left.
        mirrored: (n,) bool, which crops to mirror; or None for none.
        crop_size: Side of the crop.
        layout: How records hold images.

    Returns:
        (n, crop_size, crop_size, 3) uint8 RGB.
    """
    if layout.encoding == 'raw':
        squares = _decode_raw(encoded, layout.square_size)
        cut = _slice_crops(squares, rows, columns, crop_size)
    else:
        cut = _decode_jpeg_crops(encoded, rows, columns, crop_size, layout.square_size)

    def cut_and_mirror(index):
        crop = cut(index)
        if mirrored is None:
            return crop
        # As bytes: a quarter of the memory traffic that it would be later.
        return tf.cond(mirrored[index], lambda: tf.reverse(crop, [1]), lambda: crop)

    return _map_images(cut_and_mirror, tf.range(tf.size(rows)), crop_size)


def _slice_crops(squares, rows, columns, size: int):
    def cut(index):
        corner = tf.stack([index, rows[index], columns[index], 0])
        return tf.slice(squares, corner, [1, size, size, decoding.CHANNELS])[0]

    return cut


def _decode_jpeg_crops(encoded, rows, columns, size: int, square_size: int):
    # To begin inside a block costs the decoder more than to decode it whole and cut afterwards.
    first = columns // _BLOCK * _BLOCK
    width = tf.minimum(size + _BLOCK - 1, square_size - first)
    windows = tf.stack([rows, first, tf.fill(tf.shape(rows), size), width], 1)
    inside = columns - first

    def cut(index):
        strip = tf.io.decode_and_crop_jpeg(encoded[index], windows[index], **_JPEG_OPTIONS)
        return tf.slice(strip, tf.stack([0, inside[index], 0]), [size, size, decoding.CHANNELS])

    return cut


def _map_images(function, elements, size: int) -> tf.Tensor:
    # One after the other: the next chunk keeps the other cores busy.
    return tf.map_fn(
        function,
        elements,
        fn_output_signature=tf.TensorSpec([size, size, decoding.CHANNELS], tf.uint8),
        parallel_iterations=1,
    )


def _decode_raw(encoded: tf.Tensor, square_size: int) -> tf.Tensor:
    pixels = tf.io.decode_raw(encoded, tf.uint8)
    return tf.reshape(pixels, [-1, square_size, square_size, decoding.CHANNELS])


def central_crop(image: np.ndarray, crop_size: int) -> np.ndarray:
    """Cuts the central (crop_size, crop_size, 3) of a square image.

    >>> central_crop(np.arange(16).reshape(4, 4, 1), 2)[:, :, 0]
    array([[ 5,  6],
           [ 9, 10]])
    """
    start = (image.shape[0] - crop_size) // 2
    return image[start : start + crop_size, start : start + crop_size]


def get_view_offsets(
    crop_size: int, number: int, square_size: int = decoding.SQUARE_SIZE
) -> list[tuple[int, int, bool]]:
    """Lists the views of evaluation as (row, column, mirrored).

    Args:
        crop_size: Side of a view.
        number: 1 for the centre; 10 for the four corners and the centre, each plain and mirrored
            (paper, section 4.1); or 9 for three by three offsets, plain.
        square_size: Side of the image.

    Raises:
        ValueError: Another number of views.

    >>> get_view_offsets(224, 1)
    [(16, 16, False)]
    """
    far = square_size - crop_size
    centre = (far // 2, far // 2)
    if number == 1:
        return [(*centre, False)]
    if number == 10:
        corners = [(0, 0), (0, far), (far, 0), (far, far), centre]
        return [(*corner, mirrored) for mirrored in (False, True) for corner in corners]
    if number == 9:
        edges = (0, far // 2, far)
        return [(row, column, False) for row in edges for column in edges]
    raise ValueError(f'{number} views: expected 1, 9 or 10.')


def make_views(
    squares: tf.Tensor, mean_image: np.ndarray, *, crop_size: int, number: int
) -> tf.Tensor:
    """Cuts the views of evaluation and subtracts the mean.

    Args:
        squares: (batch, size, size, 3) uint8 RGB; usually 256 x 256.
        mean_image: (size, size, 3) float32; its central crop is subtracted from every view.
        crop_size: Side of a view.
        number: 1, 9 or 10; see `get_view_offsets`.

    Returns:
        (batch * number, crop_size, crop_size, 3) float32; the views of an image are consecutive.

    Raises:
        ValueError: Another number of views.
    """
    views = []
    for row, column, mirrored in get_view_offsets(crop_size, number, len(mean_image)):
        view = squares[:, row : row + crop_size, column : column + crop_size]
        views.append(tf.reverse(view, [2]) if mirrored else view)
    stacked = tf.reshape(tf.stack(views, axis=1), [-1, crop_size, crop_size, decoding.CHANNELS])
    return tf.cast(stacked, tf.float32) - central_crop(mean_image, crop_size)
