"""Views against explicit crops, and crops against whole decodes."""

import io

import numpy as np
import PIL.Image
import pytest

from input_pipeline import preprocessing

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
    with pytest.raises(ValueError, match='7 views: expected 1 or 10'):
        preprocessing.view_offsets(224, 7)


def encoded(kind):
    if kind == 'raw':
        return SQUARES[0].tobytes(), SQUARES[0]
    buffer = io.BytesIO()
    PIL.Image.fromarray(SQUARES[0]).save(buffer, 'JPEG', quality=95, subsampling=0)
    return buffer.getvalue(), np.asarray(PIL.Image.open(buffer))


@pytest.mark.parametrize('kind', ['jpeg', 'raw'])
@pytest.mark.parametrize('place', [(0, 0), (32, 32), (5, 17), (31, 0)])
def test_a_crop_is_cut_from_the_whole_picture(kind, place):
    data, whole = encoded(kind)
    np.testing.assert_array_equal(preprocessing.decode(data, kind), whole)
    row, column = place
    made = preprocessing.decode_crop(data, row, column, crop_size=224, record_encoding=kind)
    np.testing.assert_array_equal(made, whole[row : row + 224, column : column + 224])
