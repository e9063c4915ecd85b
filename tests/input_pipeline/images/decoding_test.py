"""Compares decoded images and squares with Pillow and with plain averages."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import decoding


def smooth_image(height, width, channels=3):
    """Returns smooth colours with some noise, as photos have."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (5, 7, channels), np.uint8)
    large = np.asarray(PIL.Image.fromarray(small).resize((width, height), PIL.Image.BICUBIC))
    return np.clip(large + random.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


def decode_to_square(encoded):
    return decoding.resize_to_square(decoding.decode(tf.constant(encoded)))


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


@pytest.mark.parametrize('mode', ['L', 'RGB', 'P'])
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
    square = decode_to_square(encode(image, kind, mode)).numpy()
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
    ('shorter', 'ratio'),
    [(1023, 1), (1024, 2), (2047, 2), (2048, 4), pytest.param(4096, 8, marks=pytest.mark.slow)],
)
def test_large_jpegs_are_shrunk_by_the_decoder(shorter, ratio):
    image = smooth_image(shorter, shorter + 50)
    data = tf.constant(encode(image, 'JPEG', quality=95, subsampling=0))
    assert decoding.decode(data).shape == (-(-shorter // ratio), -(-(shorter + 50) // ratio), 3)
    direct = decoding.resize_to_square(tf.constant(image)).numpy().astype(float)
    assert np.abs(decode_to_square(data).numpy() - direct).mean() < 2


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (257, 255), (2000, 100)])
def test_images_of_every_shape_become_squares(size):
    assert decoding.resize_to_square(tf.zeros((*size, 3), tf.uint8)).shape == (256, 256, 3)


def test_a_truncated_jpeg_is_refused():
    data = encode(smooth_image(300, 300), 'JPEG')
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_to_square(data[: len(data) // 2])


def test_encoded_jpegs_have_full_colour_resolution():
    data = decoding.encode_jpeg(tf.constant(smooth_image(256, 256))).numpy()
    layers = PIL.Image.open(io.BytesIO(data)).layer
    assert [layer[1:3] for layer in layers] == [(1, 1)] * 3


def test_images_of_the_right_size_are_unchanged():
    image = smooth_image(32, 32)
    np.testing.assert_array_equal(decoding.resize_to_square(tf.constant(image), 32), image)


def paste(rgba, background):
    """Pillow's own composition."""
    canvas = PIL.Image.new('RGB', rgba.size, background)
    canvas.paste(rgba, mask=rgba.getchannel('A'))
    return np.asarray(canvas)


@pytest.mark.parametrize('background', [(255, 255, 255), (0, 0, 0), (18, 171, 159)])
def test_every_colour_is_composited_with_every_opacity_as_by_pillow(background):
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colour, 255 - colour, colour // 2, alpha], -1).astype(np.uint8)
    image = tf.constant(rgba)
    composited = decoding.composite(image[..., :3], image[..., 3:], background).numpy()
    pillow = PIL.Image.fromarray(rgba)
    np.testing.assert_array_equal(composited, paste(pillow, background))
    opaque = PIL.Image.new('RGBA', pillow.size, background)
    over = np.asarray(PIL.Image.alpha_composite(opaque, pillow))[..., :3]
    np.testing.assert_array_equal(composited, over)


def encode_transparent(kind, mode, **options):
    rgba = smooth_image(24, 31, 4)
    image = PIL.Image.fromarray(rgba)
    image = image.convert('RGB').quantize(16) if mode == 'P' else image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


TRANSPARENT = {
    'PNG of RGB and alpha': ('PNG', 'RGBA', {}),
    'PNG of grey and alpha': ('PNG', 'LA', {}),
    'PNG of a palette with opacities': ('PNG', 'P', {'transparency': bytes(range(0, 256, 16))}),
    'PNG of a palette with a transparent color': ('PNG', 'P', {'transparency': 3}),
    'PNG with a transparent grey': ('PNG', 'L', {'transparency': 130}),
    'PNG of one bit with transparent white': ('PNG', '1', {'transparency': 1}),
    'GIF': ('GIF', 'P', {'transparency': 3}),
    'WebP, lossy': ('WEBP', 'RGBA', {}),
    'WebP, lossless': ('WEBP', 'RGBA', {'lossless': True}),
}


@pytest.mark.parametrize('name', TRANSPARENT)
def test_transparency_of_every_format_is_composited(name):
    kind, mode, options = TRANSPARENT[name]
    encoded = encode_transparent(kind, mode, **options)
    expected = PIL.Image.open(io.BytesIO(encoded)).convert('RGBA')
    assert np.asarray(expected)[..., 3].min() < 255
    decoded = decoding.decode(tf.constant(encoded), (9, 99, 199))
    np.testing.assert_array_equal(decoded, paste(expected, (9, 99, 199)))


def test_cmyk_without_adobes_mark_is_read_as_with_it():
    image = PIL.Image.fromarray(smooth_image(16, 24, 4), 'CMYK')
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG')
    marked = buffer.getvalue()
    start = marked.index(b'\xff\xee')
    length = 2 + int.from_bytes(marked[start + 2 : start + 4], 'big')
    unmarked = marked[:start] + marked[start + length :]
    with PIL.Image.open(io.BytesIO(unmarked)) as opened:
        expected = np.asarray(opened.convert('RGB'))
    decoded = decoding.decode(tf.constant(unmarked)).numpy()
    np.testing.assert_array_equal(decoded, decoding.decode(tf.constant(marked)))
    assert np.abs(decoded.astype(int) - expected).max() <= 1
