"""The graph says of a picture's header what Python says."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, graph_headers, headers

KINDS = [
    ('JPEG', {}),
    ('JPEG', {'progressive': True}),
    ('PNG', {}),
    ('GIF', {}),
    ('BMP', {}),
    ('WEBP', {'quality': 80}),
    ('WEBP', {'lossless': True}),
    ('WEBP', {'quality': 80, 'exif': b'Exif\0\0II*\0' + bytes(8)}),
]


def encoded_as(kind, size=(37, 21), **options):
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 80).convert('RGB').save(buffer, kind, **options)
    return buffer.getvalue()


def traced(function):
    """Run as a graph: loops take long, one operation after the other."""
    return tf.function(function, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


_orientation = traced(graph_headers.orientation)
_problem = traced(lambda encoded: graph_headers.problem(encoded))


def problem(encoded, **limits):
    asked = graph_headers.problem if limits else _problem
    return asked(tf.constant(encoded), **limits).numpy().decode()


@pytest.mark.parametrize(('kind', 'options'), KINDS)
def test_sizes_are_found(kind, options):
    encoded = encoded_as(kind, **options)
    assert problem(encoded, most_pixels=37 * 21) == ''
    assert problem(encoded, most_pixels=37 * 21 - 1).startswith('37 x 21 pixels')
    assert problem(encoded, most_bytes=len(encoded)) == ''
    assert 'too many bytes' in problem(encoded, most_bytes=len(encoded) - 1)


def huge_png():
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', 60000, 60000) + bytes(40)


def huge_jpeg():
    encoded = bytearray(encoded_as('JPEG'))
    at = encoded.index(b'\xff\xc0')
    encoded[at + 5 : at + 9] = struct.pack('>HH', 60000, 60000)
    return bytes(encoded)


def huge_gif():
    """A small screen, and a huge picture that is put on it."""
    return (
        b'GIF89a'
        + struct.pack('<HHBBB', 9, 9, 0, 0, 0)
        + struct.pack('<BHHHHB', 0x2C, 0, 0, 60000, 60000, 0)
        + bytes(9)
    )


def test_a_png_that_hides_its_size_is_refused():
    """libpng passes over a chunk before the one that has the size."""
    hidden = bytearray(huge_png())
    hidden[8:8] = struct.pack('>I4sIII', 8, b'aaAa', 1, 1, 0)
    assert problem(bytes(hidden)).startswith('not a picture')
    with pytest.raises(ValueError, match='not a picture'):
        headers.check(bytes(hidden))


@pytest.mark.parametrize('make', [huge_png, huge_jpeg, huge_gif])
def test_claims_of_many_pixels_are_refused(make):
    assert problem(make()).startswith('60000 x 60000 pixels')
    with pytest.raises(ValueError, match='60000 x 60000 pixels'):
        headers.check(make())


@pytest.mark.parametrize(
    'encoded',
    [b'', b'B', b'no picture', bytes(100), b'\x89PNG\r\n\x1a\n', b'GIF8'],
)
def test_what_is_no_picture_is_refused(encoded):
    assert problem(encoded)


def test_it_agrees_with_python_on_damaged_headers():
    random, agreed = np.random.default_rng(0), {True: 0, False: 0}
    for turn in range(300):
        kind, options = KINDS[turn % len(KINDS)]
        encoded = bytearray(encoded_as(kind, **options))
        for at in random.integers(0, 34, 2):
            encoded[at] = random.integers(0, 256)
        encoded = bytes(encoded)
        try:
            python = headers.check(encoded) != ''
        except ValueError:
            python = False
        except tf.errors.OpError:
            with pytest.raises(tf.errors.InvalidArgumentError):
                problem(encoded)
            continue
        assert (problem(encoded) == '') == python, (turn, encoded[:40])
        agreed[python] += 1
    assert min(agreed.values()) > 20


def webp_of(chunk):
    """A stream that libwebp takes without a chunk's header, or with one that it ignores."""
    stream = b'\x2f' + struct.pack('<I', 16383 | (16383 << 14)) + bytes(30)
    return b'RIFF' + struct.pack('<I', len(stream) + 4) + b'WEBP' + chunk + stream


@pytest.mark.parametrize('chunk', [b'', b'ABCD' + bytes(4), b'VP8 ' + bytes(4)])
def test_a_webp_that_hides_its_size_is_refused(chunk):
    assert problem(webp_of(chunk)).startswith('not a picture')
    with pytest.raises(ValueError, match='not a picture'):
        headers.check(webp_of(chunk))


def moving_webp():
    frames, buffer = (
        [PIL.Image.new('RGB', (30, 20), (each, 0, 0)) for each in (9, 99)],
        io.BytesIO(),
    )
    frames[0].save(buffer, 'WEBP', save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def bitmap(mode):
    buffer = io.BytesIO()
    PIL.Image.new(mode, (30, 20)).save(buffer, 'BMP')
    return buffer.getvalue()


def many_scans(number):
    """A progressive JPEG with its last scan again and again, as each costs time for all pixels."""
    encoded = encoded_as('JPEG', progressive=True)
    last = encoded[encoded.rindex(b'\xff\xda') : -2]
    return encoded[:-2] + number * last + encoded[-2:]


@pytest.mark.parametrize(
    ('encoded', 'message'),
    [
        (moving_webp(), 'an animated WebP is not read'),
        (bitmap('P'), '8 bits a pixel of a BMP'),
        (bitmap('1'), '1 bits a pixel of a BMP'),
        (b'BM' + bytes(12) + struct.pack('<IHHHH', 12, 30, 20, 1, 24) + bytes(2000), 'OS/2'),
        (many_scans(200), 'more than 100 scans'),
    ],
)
def test_what_is_not_read_of_a_format_is_said(encoded, message):
    assert message in problem(encoded)
    with pytest.raises(ValueError, match=message):
        headers.check(encoded)


@pytest.mark.parametrize('encoded', [bitmap('RGB'), bitmap('RGBA'), many_scans(50)])
def test_and_the_others_are_decoded(encoded):
    assert problem(encoded) == ''
    headers.check(encoded)
    assert decoding.decode(tf.constant(encoded)).shape[-1] == 3


def with_exif(order, entries, before=b''):
    tiff = {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(f'{order}IH', 8, len(entries))
    for tag, kind, count, value in entries:
        tiff += struct.pack(f'{order}HHIHH', tag, kind, count, value, 0)
    body = b'Exif\0\0' + tiff + bytes(4)
    segment = b'\xff\xe1' + struct.pack('>H', len(body) + 2) + body
    return b'\xff\xd8' + before + segment + encoded_as('JPEG')[2:]


COMMENT = b'\xff\xfe' + struct.pack('>H', 12) + b'0123456789'


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('before', [b'', COMMENT, COMMENT * 300, COMMENT + b'\xff' * 9])
@pytest.mark.parametrize(
    'entries',
    [
        [(0x0112, 3, 1, 6)],
        [(0x010F, 3, 1, 3), (0x0112, 3, 1, 8), (0x0112, 3, 1, 2)],
        [(0x0112, 4, 1, 6)],
        [(0x0112, 3, 1, 9)],
        [],
    ],
)
def test_orientations_are_those_that_python_reads(order, before, entries):
    encoded = with_exif(order, entries, before)
    assert int(_orientation(tf.constant(encoded))) == headers.orientation(encoded)


@pytest.mark.parametrize('start', [b'II+\0', b'II\0*', b'XX*\0'])
def test_exif_of_another_start_is_read_as_python_reads_it(start):
    encoded = with_exif('<', [(0x0112, 3, 1, 6)]).replace(b'II*\0', start)
    assert int(_orientation(tf.constant(encoded))) == headers.orientation(encoded)


@pytest.mark.parametrize('cut', [2, 5, 14, 22, 30, 33, 40])
def test_exif_that_is_cut_short_turns_nothing_more(cut):
    encoded = with_exif('<', [(0x0112, 3, 1, 6)])[:cut]
    assert int(_orientation(tf.constant(encoded))) == headers.orientation(encoded)


@pytest.mark.parametrize('kind', ['PNG', 'GIF', 'BMP'])
def test_other_formats_are_upright(kind):
    assert int(_orientation(tf.constant(encoded_as(kind)))) == 1
    assert int(_orientation(tf.constant(b''))) == 1
