"""Checks that graphs read the same from an image header as Python does."""

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


def encode(kind, size=(37, 21), **options):
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 80).convert('RGB').save(buffer, kind, **options)
    return buffer.getvalue()


def trace(function):
    """Returns the function as a graph: eager loops take long."""
    return tf.function(function, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def find_problem_in_graph(encoded, **limits):
    limits = {'max_bytes': headers.MAX_BYTES, 'max_pixels': headers.MAX_PIXELS} | limits
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: graph_headers.find_jpeg_problem(encoded, **limits),
        lambda: graph_headers.find_other_problem(encoded, **limits),
    )


_find_problem = trace(lambda encoded: find_problem_in_graph(encoded))


def find_problem(encoded, **limits):
    function = find_problem_in_graph if limits else _find_problem
    return function(tf.constant(encoded), **limits).numpy().decode()


@pytest.mark.parametrize(('kind', 'options'), KINDS)
def test_the_limits_hold_for_every_format(kind, options):
    encoded = encode(kind, **options)
    assert find_problem(encoded, max_pixels=37 * 21) == ''
    assert find_problem(encoded, max_pixels=37 * 21 - 1).startswith('37 x 21 pixels')
    assert find_problem(encoded, max_bytes=len(encoded)) == ''
    assert 'too many bytes' in find_problem(encoded, max_bytes=len(encoded) - 1)


def huge_png():
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', 60000, 60000) + bytes(40)


def huge_jpeg():
    encoded = bytearray(encode('JPEG'))
    at = encoded.index(b'\xff\xc0')
    encoded[at + 5 : at + 9] = struct.pack('>HH', 60000, 60000)
    return bytes(encoded)


def huge_gif():
    """Returns a small screen with a huge frame on it."""
    return (
        b'GIF89a'
        + struct.pack('<HHBBB', 9, 9, 0, 0, 0)
        + struct.pack('<BHHHHB', 0x2C, 0, 0, 60000, 60000, 0)
        + bytes(9)
    )


def test_a_png_that_hides_its_size_is_refused():
    """libpng skips a chunk before the one that has the size."""
    hidden = bytearray(huge_png())
    hidden[8:8] = struct.pack('>I4sIII', 8, b'aaAa', 1, 1, 0)
    assert find_problem(bytes(hidden)).startswith('not an image')
    with pytest.raises(ValueError, match='not an image'):
        headers.check(bytes(hidden))


@pytest.mark.parametrize('make', [huge_png, huge_jpeg, huge_gif])
def test_images_that_claim_too_many_pixels_are_refused(make):
    assert find_problem(make()).startswith('60000 x 60000 pixels')
    with pytest.raises(ValueError, match='60000 x 60000 pixels'):
        headers.check(make())


@pytest.mark.parametrize(
    'encoded',
    [b'', b'B', b'no image', bytes(100), b'\x89PNG\r\n\x1a\n', b'GIF8'],
)
def test_data_that_is_not_an_image_is_refused(encoded):
    assert find_problem(encoded)


def test_the_graph_agrees_with_python_on_damaged_headers():
    random, counts = np.random.default_rng(0), {True: 0, False: 0}
    for turn in range(300):
        kind, options = KINDS[turn % len(KINDS)]
        encoded = bytearray(encode(kind, **options))
        for at in random.integers(0, 34, 2):
            encoded[at] = random.integers(0, 256)
        encoded = bytes(encoded)
        try:
            is_read = headers.check(encoded) != ''
        except ValueError:
            is_read = False
        except tf.errors.OpError:
            with pytest.raises(tf.errors.InvalidArgumentError):
                find_problem(encoded)
            continue
        assert (find_problem(encoded) == '') == is_read, (turn, encoded[:40])
        counts[is_read] += 1
    assert min(counts.values()) > 20


def make_webp(chunk):
    """Returns a stream that libwebp reads without a chunk header, or with one that it ignores."""
    stream = b'\x2f' + struct.pack('<I', 16383 | (16383 << 14)) + bytes(30)
    return b'RIFF' + struct.pack('<I', len(stream) + 4) + b'WEBP' + chunk + stream


@pytest.mark.parametrize('chunk', [b'', b'ABCD' + bytes(4), b'VP8 ' + bytes(4)])
def test_a_webp_that_hides_its_size_is_refused(chunk):
    assert find_problem(make_webp(chunk)).startswith('not an image')
    with pytest.raises(ValueError, match='not an image'):
        headers.check(make_webp(chunk))


def animated_webp():
    frames, buffer = (
        [PIL.Image.new('RGB', (30, 20), (red, 0, 0)) for red in (9, 99)],
        io.BytesIO(),
    )
    frames[0].save(buffer, 'WEBP', save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def bitmap(mode):
    buffer = io.BytesIO()
    PIL.Image.new(mode, (30, 20)).save(buffer, 'BMP')
    return buffer.getvalue()


def many_scans(number):
    """Returns a progressive JPEG that repeats its last scan, each a pass over all pixels."""
    encoded = encode('JPEG', progressive=True)
    last = encoded[encoded.rindex(b'\xff\xda') : -2]
    return encoded[:-2] + number * last + encoded[-2:]


@pytest.mark.parametrize(
    ('encoded', 'message'),
    [
        (animated_webp(), 'an animated WebP is not read'),
        (b'BM' + bytes(12) + struct.pack('<IHHHH', 12, 30, 20, 1, 24) + bytes(2000), 'OS/2'),
        (many_scans(200), 'more than 100 scans'),
    ],
)
def test_unsupported_kinds_of_a_format_are_named(encoded, message):
    assert message in find_problem(encoded)
    with pytest.raises(ValueError, match=message):
        headers.check(encoded)


@pytest.mark.parametrize(
    'encoded', [bitmap('RGB'), bitmap('RGBA'), bitmap('P'), bitmap('1'), many_scans(50)]
)
def test_supported_kinds_are_decoded(encoded):
    assert find_problem(encoded) == ''
    headers.check(encoded)
    assert decoding.decode(tf.constant(encoded)).shape[-1] == 3
