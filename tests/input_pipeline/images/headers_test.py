"""What is refused before it is decoded."""

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


def turned(orientation, order):
    exif = PIL.Image.Exif()
    exif.endian = order
    exif[0x0110], exif[0x0112] = 'a camera', orientation
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (30, 20)).save(buffer, 'JPEG', exif=exif.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientations(orientation, order):
    assert headers.orientation(turned(orientation, order)) == orientation


def test_orientations_that_make_no_sense_are_upright():
    assert headers.orientation(turned(99, '<')) == 1
    assert headers.orientation(encoded('PNG', {})) == 1
    assert headers.orientation(encoded('JPEG', {})) == 1
    whole = turned(6, '<')
    for length in range(len(whole)):
        assert headers.orientation(whole[:length]) in (1, 6)
    for at in range(2, 120):
        spoilt = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        assert 1 <= headers.orientation(spoilt) <= 8


@pytest.mark.parametrize(
    ('mode', 'kind'), [('RGB', 'JPEG'), ('L', 'grey JPEG'), ('CMYK', 'CMYK JPEG')]
)
def test_kinds_of_jpeg(mode, kind):
    buffer = io.BytesIO()
    PIL.Image.new(mode, (30, 20)).save(buffer, 'JPEG')
    assert headers.check(buffer.getvalue()) == kind
