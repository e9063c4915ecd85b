"""Squares and decoding against Pillow and against plain averages."""

import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import decoding


def photograph(height, width, channels=3):
    """Smooth colours with some noise, as photographs have."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (5, 7, channels), np.uint8)
    large = np.asarray(PIL.Image.fromarray(small).resize((width, height), PIL.Image.BICUBIC))
    return np.clip(large + random.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


def encoded(picture, kind, mode='RGB', **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    'options', [{'quality': 95, 'subsampling': 0}, {'quality': 60}, {'progressive': True}]
)
def test_jpeg_is_pillows_to_the_bit(options):
    data = encoded(photograph(123, 211), 'JPEG', **options)
    expected = np.asarray(PIL.Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decoding.decode(tf.constant(data)), expected)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P'])
def test_png_of_any_mode_becomes_rgb(mode):
    data = encoded(photograph(40, 50), 'PNG', mode)
    expected = np.asarray(PIL.Image.open(io.BytesIO(data)).convert('RGB'))
    np.testing.assert_array_equal(decoding.decode(tf.constant(data)), expected)


@pytest.mark.parametrize(
    ('kind', 'mode'),
    [('JPEG', 'L'), ('JPEG', 'CMYK'), ('BMP', 'RGB'), ('GIF', 'RGB'), ('WEBP', 'RGB')],
)
def test_other_kinds_become_rgb(kind, mode):
    picture = photograph(300, 260)
    made = decoding.square_of(tf.constant(encoded(picture, kind, mode))).numpy()
    assert made.shape == (256, 256, 3)
    assert made.std() > 10


def test_area_averages_whole_blocks():
    picture = photograph(768, 768)
    tripled = picture.reshape(256, 3, 256, 3, 3).mean(axis=(1, 3))
    made = decoding.square(tf.constant(picture)).numpy()
    assert np.abs(made - tripled).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(('height', 'width', 'left', 'top'), [(256, 301, 22, 0), (401, 256, 0, 72)])
def test_centre_of_a_picture_of_the_right_size(height, width, left, top):
    picture = photograph(height, width)
    made = decoding.square(tf.constant(picture))
    np.testing.assert_array_equal(made, picture[top : top + 256, left : left + 256])


def test_small_pictures_are_enlarged_smoothly():
    picture = photograph(64, 80)
    made = decoding.square(tf.constant(picture)).numpy().astype(float)
    pillow = np.asarray(PIL.Image.fromarray(picture).resize((320, 256), PIL.Image.BICUBIC))
    assert np.abs(made - pillow[:, 32:288]).mean() < 3


@pytest.mark.parametrize(('height', 'width'), [(333, 500), (501, 334), (600, 257)])
def test_cutting_first_is_rescaling_first_to_half_a_pixel(height, width):
    picture = photograph(height, width)
    made = decoding.square(tf.constant(picture)).numpy().astype(float)
    scale = 256 / min(height, width)
    size = round(width * scale), round(height * scale)
    whole = np.asarray(PIL.Image.fromarray(picture).resize(size, PIL.Image.BOX))
    left, top = (size[0] - 256) // 2, (size[1] - 256) // 2
    assert np.abs(made - whole[top : top + 256, left : left + 256]).mean() < 5


@pytest.mark.parametrize(
    ('shorter', 'ratio'), [(1023, 1), (1024, 2), (2047, 2), (2048, 4), (4096, 8)]
)
def test_large_jpegs_are_shrunk_by_the_decoder(shorter, ratio):
    picture = photograph(shorter, shorter + 50)
    data = tf.constant(encoded(picture, 'JPEG', quality=95, subsampling=0))
    assert decoding.decode(data).shape == (-(-shorter // ratio), -(-(shorter + 50) // ratio), 3)
    direct = decoding.square(tf.constant(picture)).numpy().astype(float)
    assert np.abs(decoding.square_of(data).numpy() - direct).mean() < 2


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (257, 255), (2000, 100)])
def test_every_shape_gives_a_square(size):
    assert decoding.square(tf.zeros((*size, 3), tf.uint8)).shape == (256, 256, 3)


def test_truncated_jpeg_is_refused():
    data = encoded(photograph(300, 300), 'JPEG')
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.square_of(tf.constant(data[: len(data) // 2]))


def test_encoding_keeps_full_colour_resolution():
    data = decoding.encode(tf.constant(photograph(256, 256))).numpy()
    layers = PIL.Image.open(io.BytesIO(data)).layer
    assert [each[1:3] for each in layers] == [(1, 1)] * 3


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turned_as_pillow_turns(orientation):
    picture = photograph(300, 260)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, 'PNG', exif=exif)
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(buffer)))
    made = decoding.turned(tf.constant(picture), tf.constant(orientation))
    np.testing.assert_array_equal(made, upright)
    made = decoding.square_of(encoded(picture, 'PNG'), orientation)
    np.testing.assert_array_equal(made, decoding.square(tf.constant(upright)))


def test_pictures_of_the_wanted_size_stay_as_they_are():
    picture = photograph(32, 32)
    np.testing.assert_array_equal(decoding.square(tf.constant(picture), 32), picture)
