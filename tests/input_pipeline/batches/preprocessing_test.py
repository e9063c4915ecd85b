"""Views against explicit crops, and crops against whole decodes."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.batches import preprocessing
from input_pipeline.records import manifests

RANDOM = np.random.default_rng(0)
SQUARES = RANDOM.integers(0, 256, (3, 256, 256, 3), np.uint8)
MEAN = RANDOM.uniform(0, 255, (256, 256, 3)).astype(np.float32)


def test_the_single_view_is_the_centre():
    made = preprocessing.views(SQUARES, MEAN, crop_size=224, number=1)
    expected = SQUARES[:, 16:240, 16:240] - MEAN[16:240, 16:240]
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_ten_views_are_corners_centre_and_mirrors():
    made = preprocessing.views(SQUARES, MEAN, crop_size=224, number=10).numpy()
    made = made.reshape(3, 10, 224, 224, 3)
    places = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    for at, (row, column) in enumerate(places):
        crop = SQUARES[:, row : row + 224, column : column + 224]
        np.testing.assert_allclose(made[:, at], crop - MEAN[16:240, 16:240], atol=1e-4)
        flipped = crop[:, :, ::-1] - MEAN[16:240, 16:240]
        np.testing.assert_allclose(made[:, at + 5], flipped, atol=1e-4)


def test_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match='7 views: expected 1, 9 or 10'):
        preprocessing.view_offsets(224, 7)


def encoded(kind):
    if kind == 'raw':
        return SQUARES[0].tobytes(), SQUARES[0]
    buffer = io.BytesIO()
    PIL.Image.fromarray(SQUARES[0]).save(buffer, 'JPEG', quality=95, subsampling=0)
    return buffer.getvalue(), np.asarray(PIL.Image.open(buffer))


@pytest.mark.parametrize('kind', ['jpeg', 'raw'])
def test_crops_are_cut_from_whole_pictures(kind):
    data, whole = encoded(kind)
    np.testing.assert_array_equal(
        preprocessing.decode(tf.constant([data]), manifests.Layout(kind))[0], whole
    )
    rows, columns = np.meshgrid([0, 5, 31, 32], [0, 1, 7, 8, 17, 25, 31, 32])
    rows, columns = rows.ravel().astype(np.int32), columns.ravel().astype(np.int32)
    for mirrored in (None, rows % 2 == 1):
        made = preprocessing.decode_crops(
            tf.constant([data] * len(rows)),
            tf.constant(rows),
            tf.constant(columns),
            None if mirrored is None else tf.constant(mirrored),
            crop_size=224,
            layout=manifests.Layout(kind),
        )
        for at, (row, column) in enumerate(zip(rows, columns, strict=True)):
            crop = whole[row : row + 224, column : column + 224]
            crop = crop[:, ::-1] if mirrored is not None and mirrored[at] else crop
            np.testing.assert_array_equal(made[at], crop)


@pytest.mark.parametrize('size', [1, 8, 63, 227, 256])
def test_crops_of_any_size(size):
    data, whole = encoded('jpeg')
    corner = tf.constant([256 - size, (256 - size) // 3])
    made = preprocessing.decode_crops(
        tf.constant([data, data]),
        corner,
        corner[::-1],
        None,
        crop_size=size,
        layout=manifests.Layout(),
    )
    for crop, row, column in zip(made, corner.numpy(), corner.numpy()[::-1], strict=True):
        np.testing.assert_array_equal(crop, whole[row : row + size, column : column + size])
