"""Renders files as Pillow shows them, on any background."""

import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, rendering

GREEN = rendering.Rendering(exif_orientation=True, colour_profiles=True, background='#0080ff')
SIZE = 32


def make_exif(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def encode(kind, mode='RGB', size=(48, 40), **options):
    noise = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    image = PIL.Image.fromarray(noise).resize(size)
    image = image.convert('RGB').quantize(16) if mode == 'P' else image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


IMAGES = {
    'JPEG': (encode('JPEG'), ()),
    'JPEG, turned': (encode('JPEG', exif=make_exif(6)), ('turned: EXIF orientation 6',)),
    'JPEG of CMYK': (encode('JPEG', 'CMYK'), ()),
    'PNG': (encode('PNG'), ()),
    'PNG, transparent': (encode('PNG', 'RGBA'), ('composited on the background',)),
    'PNG, turned': (
        encode('PNG', 'RGBA', exif=make_exif(5)),
        ('composited on the background', 'turned: EXIF orientation 5'),
    ),
    'WebP, turned': (
        encode('WEBP', 'RGBA', exif=make_exif(7)),
        ('composited on the background', 'turned: EXIF orientation 7'),
    ),
    'GIF': (encode('GIF', 'P', transparency=2), ('composited on the background',)),
    'BMP': (encode('BMP', 'P'), ()),
}


@pytest.mark.parametrize('name', IMAGES)
def test_images_are_shown_as_by_pillow_and_the_treatments_are_told(show_by_pillow, name):
    encoded, expected = IMAGES[name]
    square, treatments = rendering.render_square(encoded, GREEN, SIZE)
    assert treatments == expected
    shown = decoding.resize_to_square(tf.constant(show_by_pillow(encoded, '#0080ff')), SIZE)
    tolerance = 1 if 'CMYK' in name else 0
    assert np.abs(square.numpy().astype(int) - shown.numpy()).max() <= tolerance
    plain, treatments = rendering.render_square(encoded, rendering.PLAIN, SIZE)
    assert not any(treatment.startswith('turned') for treatment in treatments)
    assert plain.shape == square.shape


def test_profiles_are_converted_or_named():
    profile = b'junk'
    square, treatments = rendering.render_square(encode('JPEG', icc_profile=profile), GREEN, SIZE)
    assert treatments == ('not converted: colour profile without a name',)
    np.testing.assert_array_equal(square, rendering.render_square(encode('JPEG'), GREEN, SIZE)[0])


def test_a_rendering_of_older_settings_is_that_of_their_time():
    old = rendering.Rendering.from_settings({'exif_orientation': True, 'seed': 3})
    assert old == rendering.Rendering(True, False, '#ffffff')


@pytest.mark.parametrize('text', ['', 'red-ish', '#12', '#12345', 'ffffff', '#gggggg', '#ffffff\n'])
def test_what_is_no_color_is_refused(text):
    with pytest.raises(ValueError, match='#rrggbb'):
        rendering.parse_color(text)


@pytest.mark.parametrize(
    'size', [(512, 768), (96, 64), (512, 64), (256, 256)], ids=lambda size: f'{size[0]}x{size[1]}'
)
def test_a_warped_image_shows_all_of_it(size):
    """Stripes that get wider along each axis stay where they are in proportion."""
    rows, columns = (np.arange(side) * 256 // side for side in size)
    image = np.stack(np.broadcast_arrays(rows[:, None], columns, 7), axis=-1).astype(np.uint8)
    warped = rendering.Rendering(warp=True).fit_to_square(image, 256).numpy().astype(int)
    expected = np.stack(np.broadcast_arrays(np.arange(256)[:, None], np.arange(256), 7), axis=-1)
    assert np.abs(warped - expected).max() <= (0 if size == (256, 256) else 4)


def test_records_do_not_know_of_warping():
    assert 'warp' not in rendering.OWN_IMAGES.to_settings()
    warping = rendering.Rendering(warp=True)
    assert rendering.Rendering.from_settings(warping.to_settings()) == warping
