"""Mean images of other programs: their axes, colours and sizes."""

import struct

import numpy as np
import pytest

from alexnet_tf.models.weights import mean_images
from input_pipeline import errors

BGR = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype(np.float32)
RGB = np.stack([BGR[2], BGR[1], BGR[0]], axis=-1)


@pytest.mark.parametrize(
    ('array', 'expected'),
    [(RGB, RGB), (BGR.astype(np.float64), RGB), (BGR[None], RGB), (RGB[0, 0], RGB[0, 0])],
)
def test_arrays_of_any_layout_become_rgb(array, expected, tmp_path):
    np.save(tmp_path / 'mean.npy', array)
    np.testing.assert_array_equal(mean_images.read(tmp_path / 'mean.npy'), expected)


def test_a_binaryproto_becomes_rgb(tmp_path, encode):
    sizes = b''.join(encode.field(number, size) for number, size in enumerate((1, *BGR.shape), 1))
    path = tmp_path / 'mean.binaryproto'
    path.write_bytes(sizes + encode.field(5, struct.pack('<48f', *BGR.ravel())))
    np.testing.assert_array_equal(mean_images.read(path), RGB)
    sizes_of_colour = b''.join(encode.field(i, size) for i, size in enumerate((1, 3, 1, 1), 1))
    path.write_bytes(sizes_of_colour + encode.field(5, struct.pack('<3f', 104, 117, 123)))
    np.testing.assert_array_equal(mean_images.read(path), [123, 117, 104])
    path.write_bytes(sizes + encode.field(5, bytes(8)))
    with pytest.raises(errors.DataError, match=r'mean\.binaryproto: the mean image has 8 bytes'):
        mean_images.read(path)


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.ones((4, 4)), r'of shape \(4, 4\); expected \(rows, columns, 3\)'),
        (np.full(3, np.nan), 'values outside 0 to 255'),
        (np.full(3, -1.0), 'values outside 0 to 255'),
        (np.array(['a', 'b', 'c']), 'expected numbers'),
    ],
)
def test_other_arrays_are_refused(array, message, tmp_path):
    np.save(tmp_path / 'mean.npy', array)
    with pytest.raises(errors.DataError, match=rf'mean\.npy: .*{message}'):
        mean_images.read(tmp_path / 'mean.npy')


def test_other_files_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match='no such file'):
        mean_images.read(tmp_path / 'none.npy')
    for name, message in {
        'mean.png': r'expected a mean image, \.npy or \.binaryproto',
        'mean.npy': 'not readable as a mean image',
    }.items():
        (tmp_path / name).write_bytes(b'image')
        with pytest.raises(errors.DataError, match=message):
            mean_images.read(tmp_path / name)


def test_an_image_of_the_crop_lies_in_the_centre_of_its_square():
    square = mean_images.to_square(RGB, 10, 4)
    np.testing.assert_array_equal(square[3:7, 3:7], RGB)
    np.testing.assert_allclose(square[0, 0], RGB.reshape(-1, 3).mean(axis=0), rtol=1e-6)
    assert mean_images.to_square(RGB, 4, 2) is not RGB
    np.testing.assert_array_equal(mean_images.to_square(RGB, 4, 2), RGB)
    with pytest.raises(errors.DataError, match='4 x 4 pixels; expected 8 x 8, or the 6 x 6 of'):
        mean_images.to_square(RGB, 8, 6)


def test_an_image_of_one_colour_is_known():
    assert mean_images.to_colour(np.full((2, 2, 3), 7.5)) == [7.5, 7.5, 7.5]
    assert mean_images.to_colour(RGB) is None


def test_a_colour_of_caffe_is_bgr(tmp_path):
    np.save(tmp_path / 'mean.npy', np.array([104, 117, 123], np.float32).reshape(3, 1, 1))
    assert mean_images.read(tmp_path / 'mean.npy').tolist() == [123, 117, 104]
