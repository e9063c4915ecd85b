"""Checks what is read from image headers, and what is refused before it is decoded."""

import io

import PIL.Image
import pytest

from input_pipeline.images import headers

KINDS = [
    ('JPEG', {}),
    ('PNG', {}),
    ('GIF', {}),
    ('BMP', {}),
    ('WEBP', {}),
    ('WEBP', {'lossless': True}),
    ('WEBP', {'exif': b'Exif\0\0'}),
]


def encode(kind, options, size=(301, 207)):
    buffer = io.BytesIO()
    PIL.Image.new('RGB', size, (9, 100, 200)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(('kind', 'options'), KINDS)
def test_sizes_are_read_from_every_format(kind, options):
    assert headers.read_size(encode(kind, options)) == (301, 207)
    headers.check(encode(kind, options))


@pytest.mark.parametrize(('kind', 'options'), KINDS)
@pytest.mark.parametrize('length', [3, 9])
def test_truncated_headers_are_refused(kind, options, length):
    with pytest.raises(Exception, match=r'cut short|not an image|Invalid JPEG|pixels'):
        headers.check(encode(kind, options)[:length])


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'empty'),
        (b'<html>not found</html>', 'not an image'),
        (b'II*\0 a TIFF', 'not an image'),
        (bytes(headers.MAX_BYTES + 1), 'at most'),
    ],
)
def test_data_that_is_not_an_image_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        headers.check(data)


@pytest.mark.parametrize(
    ('mode', 'kind'), [('RGB', 'JPEG'), ('L', 'grey JPEG'), ('CMYK', 'CMYK JPEG')]
)
def test_kinds_of_jpeg_are_told_apart(mode, kind):
    buffer = io.BytesIO()
    PIL.Image.new(mode, (30, 20)).save(buffer, 'JPEG')
    assert headers.check(buffer.getvalue()) == kind
