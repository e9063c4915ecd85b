"""Views against explicit crops, and decoded crops against crops of whole images."""

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


def test_the_single_view_is_the_central_crop():
    views = preprocessing.make_views(SQUARES, MEAN, crop_size=224, number=1)
    expected = SQUARES[:, 16:240, 16:240] - MEAN[16:240, 16:240]
    np.testing.assert_allclose(views, expected, atol=1e-4)


def test_ten_views_are_corners_and_centre_plain_and_mirrored():
    views = preprocessing.make_views(SQUARES, MEAN, crop_size=224, number=10).numpy()
    views = views.reshape(3, 10, 224, 224, 3)
    corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    for number, (row, column) in enumerate(corners):
        crop = SQUARES[:, row : row + 224, column : column + 224]
        np.testing.assert_allclose(views[:, number], crop - MEAN[16:240, 16:240], atol=1e-4)
        flipped = crop[:, :, ::-1] - MEAN[16:240, 16:240]
        np.testing.assert_allclose(views[:, number + 5], flipped, atol=1e-4)


def test_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match='7 views: expected 1, 9 or 10'):
        preprocessing.get_view_offsets(224, 7)


def encode(encoding):
    """(encoded, decoded) first square."""
    if encoding == 'raw':
        return SQUARES[0].tobytes(), SQUARES[0]
    buffer = io.BytesIO()
    PIL.Image.fromarray(SQUARES[0]).save(buffer, 'JPEG', quality=95, subsampling=0)
    return buffer.getvalue(), np.asarray(PIL.Image.open(buffer))


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_decoded_crops_are_crops_of_the_whole_image(encoding):
    encoded, whole = encode(encoding)
    layout = manifests.Layout(encoding)
    squares = preprocessing.decode_squares(tf.constant([encoded]), layout)
    np.testing.assert_array_equal(squares[0], whole)
    rows, columns = np.meshgrid([0, 5, 31, 32], [0, 1, 7, 8, 17, 25, 31, 32])
    rows, columns = rows.ravel().astype(np.int32), columns.ravel().astype(np.int32)
    for mirrored in (None, rows % 2 == 1):
        crops = preprocessing.decode_crops(
            tf.constant([encoded] * len(rows)),
            tf.constant(rows),
            tf.constant(columns),
            None if mirrored is None else tf.constant(mirrored),
            crop_size=224,
            layout=layout,
        )
        for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
            expected = whole[row : row + 224, column : column + 224]
            if mirrored is not None and mirrored[index]:
                expected = expected[:, ::-1]
            np.testing.assert_array_equal(crops[index], expected)


@pytest.mark.parametrize('size', [1, 8, 63, 227, 256])
def test_crops_have_any_size(size):
    encoded, whole = encode('jpeg')
    offsets = tf.constant([256 - size, (256 - size) // 3])
    crops = preprocessing.decode_crops(
        tf.constant([encoded, encoded]),
        offsets,
        offsets[::-1],
        None,
        crop_size=size,
        layout=manifests.Layout(),
    )
    for crop, row, column in zip(crops, offsets.numpy(), offsets.numpy()[::-1], strict=True):
        np.testing.assert_array_equal(crop, whole[row : row + size, column : column + size])
