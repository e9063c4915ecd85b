"""Formats that TensorFlow does not decode: named by content, and two of them converted."""

import io

import numpy as np
import PIL.features
import PIL.Image
import pytest

from input_pipeline.images import foreign_formats

MAX_PIXELS = 10_000


def make_image():
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    return PIL.Image.fromarray(small).resize((80, 60), PIL.Image.BICUBIC)


def encode(kind, image=None, **options):
    buffer = io.BytesIO()
    (image or make_image()).save(buffer, kind, **options)
    return buffer.getvalue()


def make_container(*brands):
    data = b'ftyp' + brands[0] + bytes(4) + b''.join(brands[1:])
    return (len(data) + 4).to_bytes(4, 'big') + data + bytes(40)


@pytest.mark.parametrize(
    ('make', 'name'),
    [
        (lambda: encode('TIFF'), 'TIFF'),
        (lambda: encode('TIFF', big_tiff=True), 'TIFF'),
        (lambda: encode('JPEG2000'), 'JPEG 2000'),
        (lambda: encode('JPEG2000', no_jp2=True), 'JPEG 2000'),
        (lambda: encode('AVIF'), 'AVIF'),
        (lambda: encode('PDF'), 'PDF'),
        (lambda: make_container(b'heic', b'mif1'), 'HEIC'),
        (lambda: make_container(b'mif1', b'heic'), 'HEIC'),
        (lambda: make_container(b'mif1', b'miaf', b'avif'), 'AVIF'),
        (lambda: make_container(b'isom', b'mp41'), 'MP4 or QuickTime'),
        (lambda: b'\n <!DOCTYPE html><html><body>404 Not Found</body></html>', 'HTML'),
        (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', 'SVG'),
        (lambda: b'a text', ''),
        (lambda: b'', ''),
    ],
)
def test_files_are_named_by_their_content(make, name):
    description = foreign_formats.describe(make())
    assert foreign_formats.recognize(make()) == name
    assert (f', but {name}: ' in description) == bool(name)
    assert bool(description) == bool(name)


def test_what_cannot_be_converted_is_returned_as_it_is():
    for encoded in (encode('PNG'), encode('TIFF'), b'', b'a text'):
        assert foreign_formats.convert(encoded, MAX_PIXELS) == ('', encoded)


needs_avif = pytest.mark.skipif(not PIL.features.check('avif'), reason='needs AVIF in Pillow')


@needs_avif
def test_an_avif_becomes_the_png_that_pillow_decodes():
    encoded = encode('AVIF')
    name, png = foreign_formats.convert(encoded, MAX_PIXELS)
    assert name == 'AVIF'
    expected = np.asarray(PIL.Image.open(io.BytesIO(encoded)).convert('RGB'))
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(png))), expected)


@needs_avif
def test_a_converted_image_is_upright_and_keeps_transparency_and_profile():
    from PIL import ImageCms

    exif, profile = PIL.Image.Exif(), ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB'))
    exif[0x0112] = 6
    image = make_image()
    image.putalpha(PIL.Image.linear_gradient('L').resize(image.size))
    encoded = encode('AVIF', image, exif=exif, quality=100, icc_profile=profile.tobytes())
    png = PIL.Image.open(io.BytesIO(foreign_formats.convert(encoded, MAX_PIXELS)[1]))
    assert (png.mode, png.size) == ('RGBA', (60, 80))
    assert png.info['icc_profile'] == profile.tobytes()
    assert png.getexif().get(0x0112, 1) == 1
    turned = np.asarray(image.transpose(PIL.Image.ROTATE_270)).astype(int)
    assert np.abs(np.asarray(png) - turned).mean() < 3


@needs_avif
def test_damaged_and_large_files_are_refused():
    encoded = encode('AVIF')
    with pytest.raises(ValueError, match='a damaged AVIF'):
        foreign_formats.convert(encoded[: len(encoded) // 2], MAX_PIXELS)
    with pytest.raises(ValueError, match='80 x 60 pixels; from 1 to 4,799'):
        foreign_formats.convert(encoded, 4_799)


def test_a_heic_becomes_the_png_that_pillow_heif_decodes():
    pillow_heif = pytest.importorskip('pillow_heif')
    buffer = io.BytesIO()
    pillow_heif.from_pillow(make_image()).save(buffer, quality=95)
    name, png = foreign_formats.convert(buffer.getvalue(), MAX_PIXELS)
    assert name == 'HEIC'
    pixels = np.asarray(PIL.Image.open(io.BytesIO(png))).astype(int)
    assert np.abs(pixels - np.asarray(make_image())).mean() < 4
