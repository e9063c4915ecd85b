"""From a stored picture to what the network sees, without chance."""

import numpy as np
import tensorflow as tf

from input_pipeline.images import decoding
from input_pipeline.records import manifests

SQUARE_SIZE, CHANNELS = decoding.SQUARE_SIZE, decoding.CHANNELS


def parse(serialized: tf.Tensor, layout: manifests.Layout) -> tuple[tf.Tensor, tf.Tensor]:
    """(encoded pictures string, labels int64 from 0) of records, (n,) string."""
    features = {
        layout.image: tf.io.FixedLenFeature([], tf.string),
        layout.label: tf.io.FixedLenFeature([], tf.int64),
    }
    parsed = tf.io.parse_example(serialized, features)
    labels = parsed[layout.label]
    return parsed[layout.image], labels - layout.first_label if layout.first_label else labels


def decode(encoded: tf.Tensor, layout: manifests.Layout) -> tf.Tensor:
    """Records' whole pictures, (n, square_size, square_size, 3) uint8 RGB, of (n,) strings.

    The accurate transform, as Pillow's: TensorFlow's default differs by up to 12 grey levels and
    is no faster.
    """
    if layout.encoding == 'raw':
        return _raw(encoded, layout.square_size)

    def one(picture):
        return tf.io.decode_jpeg(picture, channels=CHANNELS, dct_method=decoding.DCT)

    return _each(one, encoded, layout.square_size)


def decode_crops(
    encoded,
    rows,
    columns,
    mirrored,
    *,
    crop_size: int,
    layout: manifests.Layout,
):
    """The crop of each picture at (row, column), then mirrored where `mirrored` says so.

    Args:
        encoded: (n,) string.
        rows, columns: (n,) int32, offsets of the crop.
        mirrored: (n,) bool, or None for none.
        crop_size: Side of the crop.
        layout: How records hold pictures.

    Returns:
        (n, crop_size, crop_size, 3) uint8 RGB. No more is decoded than is needed.
    """
    if layout.encoding == 'raw':
        cut = _cutter(_raw(encoded, layout.square_size), rows, columns, crop_size)
    else:
        cut = _decoder(encoded, rows, columns, crop_size, layout.square_size)

    def one(at):
        crop = cut(at)
        if mirrored is None:
            return crop
        # As bytes: a quarter of the memory traffic that it would be later.
        return tf.cond(mirrored[at], lambda: tf.reverse(crop, [1]), lambda: crop)

    return _each(one, tf.range(tf.size(rows)), crop_size)


def _cutter(pictures, rows, columns, size: int):
    def cut(at):
        corner = tf.stack([at, rows[at], columns[at], 0])
        return tf.slice(pictures, corner, [1, size, size, CHANNELS])[0]

    return cut


def _decoder(encoded, rows, columns, size: int, square_size: int):
    # JPEG has blocks of 8 columns. To begin inside one costs the decoder more than to decode it
    # whole and cut afterwards.
    first = columns // _BLOCK * _BLOCK
    width = tf.minimum(size + _BLOCK - 1, square_size - first)
    windows = tf.stack([rows, first, tf.fill(tf.shape(rows), size), width], 1)
    inside = columns - first

    def cut(at):
        strip = tf.io.decode_and_crop_jpeg(
            encoded[at], windows[at], channels=CHANNELS, dct_method=decoding.DCT
        )
        return tf.slice(strip, tf.stack([0, inside[at], 0]), [size, size, CHANNELS])

    return cut


_BLOCK = 8


def _each(one, given, size: int) -> tf.Tensor:
    # One after the other: the next chunk keeps the other cores busy.
    return tf.map_fn(
        one,
        given,
        fn_output_signature=tf.TensorSpec([size, size, CHANNELS], tf.uint8),
        parallel_iterations=1,
    )


def _raw(encoded: tf.Tensor, square_size: int) -> tf.Tensor:
    pixels = tf.io.decode_raw(encoded, tf.uint8)
    return tf.reshape(pixels, [-1, square_size, square_size, CHANNELS])


def central_crop(mean_image: np.ndarray, crop_size: int) -> np.ndarray:
    """The central square of a square picture."""
    start = (mean_image.shape[0] - crop_size) // 2
    return mean_image[start : start + crop_size, start : start + crop_size]


def view_offsets(
    crop_size: int, number: int, square_size: int = SQUARE_SIZE
) -> list[tuple[int, int, bool]]:
    """(row, column, mirrored) of one view, the centre; of ten: four corners and the centre, each
    plain and mirrored (paper, section 4.1); or of nine: three by three places, plain.

    Raises:
        ValueError: Another number of views.
    """
    far = square_size - crop_size
    centre = (far // 2, far // 2)
    if number == 1:
        return [(*centre, False)]
    if number == 10:
        places = [(0, 0), (0, far), (far, 0), (far, far), centre]
        return [(*place, mirrored) for mirrored in (False, True) for place in places]
    if number == 9:
        edges = (0, far // 2, far)
        return [(row, column, False) for row in edges for column in edges]
    raise ValueError(f'{number} views: expected 1, 9 or 10.')


def views(squares: tf.Tensor, mean_image: np.ndarray, *, crop_size: int, number: int) -> tf.Tensor:
    """The views that evaluation sees.

    Args:
        squares: (batch, size, size, 3) uint8 RGB; 256 is the usual size.
        mean_image: (size, size, 3) float32; its central crop is subtracted from every view.
        crop_size: Side of a view.
        number: 1, 9 or 10.

    Returns:
        (batch * number, crop_size, crop_size, 3) float32, the views of a picture beside each
        other.

    Raises:
        ValueError: Another number of views.
    """
    cut = []
    for row, column, mirrored in view_offsets(crop_size, number, len(mean_image)):
        view = squares[:, row : row + crop_size, column : column + crop_size]
        cut.append(tf.reverse(view, [2]) if mirrored else view)
    stacked = tf.reshape(tf.stack(cut, axis=1), [-1, crop_size, crop_size, CHANNELS])
    return tf.cast(stacked, tf.float32) - central_crop(mean_image, crop_size)
