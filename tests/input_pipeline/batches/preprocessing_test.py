"""Views against explicit crops, and decoded crops against crops of whole images."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.batches import preprocessing
from input_pipeline.records import manifests, reading

RANDOM = np.random.default_rng(0)
SQUARES = RANDOM.integers(0, 256, (3, 256, 256, 3), np.uint8)
MEAN = RANDOM.uniform(0, 255, (256, 256, 3)).astype(np.float32)
PREPROCESS = preprocessing.Preprocessing(MEAN, crop_size=224)


def test_the_single_view_is_the_central_crop():
    views = PREPROCESS.make_views(SQUARES, 1)
    expected = SQUARES[:, 16:240, 16:240] - MEAN[16:240, 16:240]
    np.testing.assert_allclose(views, expected, atol=1e-4)


def test_ten_views_are_corners_and_centre_plain_and_mirrored():
    views = PREPROCESS.make_views(SQUARES, 10).numpy()
    views = views.reshape(3, 10, 224, 224, 3)
    corners = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    for number, (row, column) in enumerate(corners):
        crop = SQUARES[:, row : row + 224, column : column + 224]
        np.testing.assert_allclose(views[:, number], crop - MEAN[16:240, 16:240], atol=1e-4)
        flipped = crop[:, :, ::-1] - MEAN[16:240, 16:240]
        np.testing.assert_allclose(views[:, number + 5], flipped, atol=1e-4)


def test_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match='7 views: expected 1, 2, 9 or 10'):
        preprocessing.get_view_offsets(224, 7)


def encode(encoding):
    """(encoded, decoded) first square."""
    if encoding == 'raw':
        return SQUARES[0].tobytes(), SQUARES[0]
    buffer = io.BytesIO()
    PIL.Image.fromarray(SQUARES[0]).save(buffer, 'JPEG', quality=95, subsampling=0)
    return buffer.getvalue(), np.asarray(PIL.Image.open(buffer))


def stack_windows(rows, columns, heights, widths):
    """(n, 4) int32."""
    return tf.constant(np.stack(np.broadcast_arrays(rows, columns, heights, widths), 1), tf.int32)


def resize_bilinearly(image, size):
    """Resizes (rows, columns, 3) from the definition: samples at pixels' centres."""

    def find_neighbours(length):
        at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        first = at.astype(int)
        return first, np.minimum(first + 1, length - 1), (at - first)[:, None]

    top, bottom, below = find_neighbours(image.shape[0])
    left, right, beside = find_neighbours(image.shape[1])
    rows = image[top] * (1 - below[..., None]) + image[bottom] * below[..., None]
    return rows[:, left] * (1 - beside) + rows[:, right] * beside


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_windows_of_any_size_are_resized_to_the_crop(encoding):
    encoded, whole = encode(encoding)
    windows = [(0, 0, 256, 256), (10, 57, 40, 100), (3, 8, 200, 31), (200, 255, 1, 1)]
    crops = preprocessing.decode_crops(
        tf.constant([encoded] * len(windows)),
        tf.constant(windows),
        tf.constant([False, True, False, True]),
        crop_size=48,
        is_resized=True,
        layout=manifests.Layout(encoding),
    )
    for index, (row, column, height, width) in enumerate(windows):
        window = whole[row : row + height, column : column + width].astype(float)
        expected = resize_bilinearly(window, 48)
        if index % 2:
            expected = expected[:, ::-1]
        np.testing.assert_allclose(crops[index], expected, atol=0.51)


@pytest.mark.parametrize('size', [32, 301])
def test_a_view_of_another_size_than_the_crop_is_resized_as_is_the_mean(size):
    preprocess = preprocessing.Preprocessing(MEAN, crop_size=size, view_size=200)
    plain, mirrored = preprocess.make_views(SQUARES[:1], 2)
    view = resize_bilinearly(SQUARES[0, 28:228, 28:228].astype(float), size)
    mean = resize_bilinearly(MEAN[28:228, 28:228].astype(float), size)
    np.testing.assert_allclose(plain, view - mean, atol=0.51)
    np.testing.assert_allclose(mirrored, view[:, ::-1] - mean, atol=0.51)
    np.testing.assert_allclose(preprocess.cut_view(SQUARES[0]), view, atol=0.51)


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_decoded_crops_are_crops_of_the_whole_image(encoding):
    encoded, whole = encode(encoding)
    layout = manifests.Layout(encoding)
    squares = reading.decode_squares(tf.constant([encoded]), layout)
    np.testing.assert_array_equal(squares[0], whole)
    rows, columns = np.meshgrid([0, 5, 31, 32], [0, 1, 7, 8, 17, 25, 31, 32])
    rows, columns = rows.ravel().astype(np.int32), columns.ravel().astype(np.int32)
    for mirrored in (None, rows % 2 == 1):
        crops = preprocessing.decode_crops(
            tf.constant([encoded] * len(rows)),
            stack_windows(rows, columns, 224, 224),
            None if mirrored is None else tf.constant(mirrored),
            crop_size=224,
            is_resized=False,
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
    offsets = np.array([256 - size, (256 - size) // 3])
    crops = preprocessing.decode_crops(
        tf.constant([encoded, encoded]),
        stack_windows(offsets, offsets[::-1], size, size),
        None,
        crop_size=size,
        is_resized=False,
        layout=manifests.Layout(),
    )
    for crop, row, column in zip(crops, offsets, offsets[::-1], strict=True):
        np.testing.assert_array_equal(crop, whole[row : row + size, column : column + size])
