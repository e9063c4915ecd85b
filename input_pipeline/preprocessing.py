"""From a stored picture to what the network sees, without chance."""

import numpy as np
import tensorflow as tf

from input_pipeline import pictures

SQUARE_SIZE, CHANNELS = pictures.SQUARE_SIZE, pictures.CHANNELS


def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """(encoded picture string, label int64) of one record with the classic ImageNet features."""
    features = {
        'image/encoded': tf.io.FixedLenFeature([], tf.string),
        'image/class/label': tf.io.FixedLenFeature([], tf.int64),
    }
    parsed = tf.io.parse_single_example(record, features)
    return parsed['image/encoded'], parsed['image/class/label']


def decode(encoded: tf.Tensor, record_encoding: str) -> tf.Tensor:
    """A record's whole picture, (256, 256, 3) uint8 RGB.

    The accurate transform, as Pillow's: TensorFlow's default differs by up to 12 grey levels and
    is no faster.
    """
    if record_encoding == 'raw':
        picture = tf.io.decode_raw(encoded, tf.uint8)
        return tf.reshape(picture, [SQUARE_SIZE, SQUARE_SIZE, CHANNELS])
    picture = tf.io.decode_jpeg(encoded, channels=CHANNELS, dct_method='INTEGER_ACCURATE')
    return tf.ensure_shape(picture, [SQUARE_SIZE, SQUARE_SIZE, CHANNELS])


def decode_crop(encoded, row, column, *, crop_size: int, record_encoding: str) -> tf.Tensor:
    """The crop at (row, column), (crop_size, crop_size, 3) uint8: decodes no more than it needs."""
    if record_encoding == 'raw':
        picture = decode(encoded, record_encoding)
        return tf.slice(picture, tf.stack([row, column, 0]), [crop_size, crop_size, CHANNELS])
    window = tf.stack([row, column, crop_size, crop_size])
    picture = tf.io.decode_and_crop_jpeg(
        encoded, window, channels=CHANNELS, dct_method='INTEGER_ACCURATE'
    )
    return tf.ensure_shape(picture, [crop_size, crop_size, CHANNELS])


def central_crop(mean_image: np.ndarray, crop_size: int) -> np.ndarray:
    """The central square of (256, 256, 3)."""
    start = (mean_image.shape[0] - crop_size) // 2
    return mean_image[start : start + crop_size, start : start + crop_size]


def view_offsets(crop_size: int, number: int) -> list[tuple[int, int, bool]]:
    """(row, column, mirrored) of one view, the centre, or ten: four corners and the centre, each
    plain and mirrored (paper, section 4.1).

    Raises:
        ValueError: Another number of views.
    """
    far = SQUARE_SIZE - crop_size
    centre = (far // 2, far // 2)
    if number == 1:
        return [(*centre, False)]
    if number == 10:
        places = [(0, 0), (0, far), (far, 0), (far, far), centre]
        return [(*place, mirrored) for mirrored in (False, True) for place in places]
    raise ValueError(f'{number} views: expected 1 or 10.')


def views(squares: tf.Tensor, mean_image: np.ndarray, *, crop_size: int, number: int) -> tf.Tensor:
    """The views that evaluation sees.

    Args:
        squares: (batch, 256, 256, 3) uint8 RGB.
        mean_image: (256, 256, 3) float32; its central crop is subtracted from every view.
        crop_size: Side of a view.
        number: 1 or 10.

    Returns:
        (batch * number, crop_size, crop_size, 3) float32, the views of a picture beside each
        other.

    Raises:
        ValueError: Another number of views.
    """
    cut = []
    for row, column, mirrored in view_offsets(crop_size, number):
        view = squares[:, row : row + crop_size, column : column + crop_size]
        cut.append(tf.reverse(view, [2]) if mirrored else view)
    stacked = tf.reshape(tf.stack(cut, axis=1), [-1, crop_size, crop_size, CHANNELS])
    return tf.cast(stacked, tf.float32) - central_crop(mean_image, crop_size)
