"""Compares decoded images and squares with Pillow and with plain averages."""

import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import decoding


def smooth_image(height, width, channels=3):
    """Returns smooth colours with some noise, as photos have."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (5, 7, channels), np.uint8)
    large = np.asarray(PIL.Image.fromarray(small).resize((width, height), PIL.Image.BICUBIC))
    return np.clip(large + random.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


def encode(image, kind, mode='RGB', **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    'options', [{'quality': 95, 'subsampling': 0}, {'quality': 60}, {'progressive': True}]
)
def test_jpegs_decode_to_the_pixels_that_pillow_decodes(options):
    data = encode(smooth_image(123, 211), 'JPEG', **options)
    expected = np.asarray(PIL.Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decoding.decode(tf.constant(data)), expected)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P'])
def test_png_of_any_mode_becomes_rgb(mode):
    data = encode(smooth_image(40, 50), 'PNG', mode)
    expected = np.asarray(PIL.Image.open(io.BytesIO(data)).convert('RGB'))
    np.testing.assert_array_equal(decoding.decode(tf.constant(data)), expected)


@pytest.mark.parametrize(
    ('kind', 'mode'),
    [('JPEG', 'L'), ('JPEG', 'CMYK'), ('BMP', 'RGB'), ('GIF', 'RGB'), ('WEBP', 'RGB')],
)
def test_other_kinds_become_rgb(kind, mode):
    image = smooth_image(300, 260)
    square = decoding.decode_to_square(tf.constant(encode(image, kind, mode))).numpy()
    assert square.shape == (256, 256, 3)
    assert square.std() > 10


def test_shrinking_averages_whole_blocks():
    image = smooth_image(768, 768)
    block_means = image.reshape(256, 3, 256, 3, 3).mean(axis=(1, 3))
    square = decoding.resize_to_square(tf.constant(image)).numpy()
    assert np.abs(square - block_means).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(('height', 'width', 'left', 'top'), [(256, 301, 22, 0), (401, 256, 0, 72)])
def test_an_image_whose_shorter_side_fits_is_only_cropped(height, width, left, top):
    image = smooth_image(height, width)
    square = decoding.resize_to_square(tf.constant(image))
    np.testing.assert_array_equal(square, image[top : top + 256, left : left + 256])


def test_small_images_are_enlarged_smoothly():
    image = smooth_image(64, 80)
    square = decoding.resize_to_square(tf.constant(image)).numpy().astype(float)
    pillow = np.asarray(PIL.Image.fromarray(image).resize((320, 256), PIL.Image.BICUBIC))
    assert np.abs(square - pillow[:, 32:288]).mean() < 3


@pytest.mark.parametrize(('height', 'width'), [(333, 500), (501, 334), (600, 257)])
def test_cropping_first_equals_resizing_first_to_half_a_pixel(height, width):
    image = smooth_image(height, width)
    square = decoding.resize_to_square(tf.constant(image)).numpy().astype(float)
    scale = 256 / min(height, width)
    size = round(width * scale), round(height * scale)
    whole = np.asarray(PIL.Image.fromarray(image).resize(size, PIL.Image.BOX))
    left, top = (size[0] - 256) // 2, (size[1] - 256) // 2
    assert np.abs(square - whole[top : top + 256, left : left + 256]).mean() < 5


@pytest.mark.parametrize(
    ('shorter', 'ratio'), [(1023, 1), (1024, 2), (2047, 2), (2048, 4), (4096, 8)]
)
def test_large_jpegs_are_shrunk_by_the_decoder(shorter, ratio):
    image = smooth_image(shorter, shorter + 50)
    data = tf.constant(encode(image, 'JPEG', quality=95, subsampling=0))
    assert decoding.decode(data).shape == (-(-shorter // ratio), -(-(shorter + 50) // ratio), 3)
    direct = decoding.resize_to_square(tf.constant(image)).numpy().astype(float)
    assert np.abs(decoding.decode_to_square(data).numpy() - direct).mean() < 2


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (257, 255), (2000, 100)])
def test_images_of_every_shape_become_squares(size):
    assert decoding.resize_to_square(tf.zeros((*size, 3), tf.uint8)).shape == (256, 256, 3)


def test_a_truncated_jpeg_is_refused():
    data = encode(smooth_image(300, 300), 'JPEG')
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode_to_square(tf.constant(data[: len(data) // 2]))


def test_encoded_jpegs_have_full_colour_resolution():
    data = decoding.encode_jpeg(tf.constant(smooth_image(256, 256))).numpy()
    layers = PIL.Image.open(io.BytesIO(data)).layer
    assert [layer[1:3] for layer in layers] == [(1, 1)] * 3


@pytest.mark.parametrize('orientation', range(1, 9))
def test_orientations_are_applied_as_pillow_applies_them(orientation):
    image = smooth_image(300, 260)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, 'PNG', exif=exif)
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(buffer)))
    square = decoding.apply_orientation(tf.constant(image), tf.constant(orientation))
    np.testing.assert_array_equal(square, upright)
    square = decoding.decode_to_square(encode(image, 'PNG'), orientation)
    np.testing.assert_array_equal(square, decoding.resize_to_square(tf.constant(upright)))


def test_images_of_the_right_size_are_unchanged():
    image = smooth_image(32, 32)
    np.testing.assert_array_equal(decoding.resize_to_square(tf.constant(image), 32), image)
