"""What is refused before it is decoded."""

import io

import PIL.Image
import pytest

from input_pipeline import headers

KINDS = [
    ('JPEG', {}),
    ('PNG', {}),
    ('GIF', {}),
    ('BMP', {}),
    ('WEBP', {}),
    ('WEBP', {'lossless': True}),
    ('WEBP', {'exif': b'Exif\0\0'}),
]


def encoded(kind, options, size=(301, 207)):
    buffer = io.BytesIO()
    PIL.Image.new('RGB', size, (9, 100, 200)).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(('kind', 'options'), KINDS)
def test_sizes(kind, options):
    assert headers.size(encoded(kind, options)) == (301, 207)
    headers.check(encoded(kind, options))


@pytest.mark.parametrize(('kind', 'options'), KINDS)
@pytest.mark.parametrize('length', [3, 9])
def test_headers_cut_short_are_refused(kind, options, length):
    with pytest.raises(Exception, match=r'cut short|not a picture|Invalid JPEG|pixels'):
        headers.check(encoded(kind, options)[:length])


def test_a_bomb_is_refused_by_its_header():
    data = bytearray(encoded('PNG', {}))
    data[16:24] = (60000).to_bytes(4, 'big') * 2
    with pytest.raises(ValueError, match='60000 x 60000 pixels'):
        headers.check(bytes(data))


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'empty'),
        (b'<html>not found</html>', 'not a picture'),
        (b'II*\0 a TIFF', 'not a picture'),
        (bytes(headers.MOST_BYTES + 1), 'at most'),
    ],
)
def test_what_is_no_picture(data, message):
    with pytest.raises(ValueError, match=message):
        headers.check(data)
