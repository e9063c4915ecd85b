"""What strangers send: one clear error that says which picture, and the server goes on."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from alexnet_tf.export import untrusted_images


@pytest.fixture
def good(encode):
    return encode('JPEG')


@pytest.fixture(autouse=True)
def answered_after(loaded, good):
    """After each test, a good request is answered as before."""
    before = loaded['serving_default'](images=tf.constant([good]))['scores'].numpy()
    yield
    after = loaded['serving_default'](images=tf.constant([good]))['scores'].numpy()
    np.testing.assert_allclose(after, before, atol=1e-6)


def huge_jpeg(encode):
    encoded = bytearray(encode('JPEG'))
    at = encoded.index(b'\xff\xc0')
    encoded[at + 5 : at + 9] = struct.pack('>HH', 60000, 60000)
    return bytes(encoded)


def huge_png(encode):
    """Whole, and a few kilobytes: 60000 x 60000 zeros."""

    def chunk(kind, body):
        check = struct.pack('>I', zlib.crc32(kind + body))
        return struct.pack('>I', len(body)) + kind + body + check

    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    start = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
    return start + chunk(b'IDAT', body) + chunk(b'IEND', b'')


BAD = {
    'empty': (lambda encode: b'', 'it is empty'),
    'garbage': (lambda encode: b'\x00\x01' * 500, 'not a picture'),
    'text': (lambda encode: b'<html>', 'not a picture'),
    'truncated JPEG': (lambda encode: encode('JPEG', size=(300, 200))[:4000], 'cut short'),
    'truncated PNG': (lambda encode: encode('PNG')[:3000], 'cut short'),
    'truncated GIF': (lambda encode: encode('GIF')[:900], 'cut short'),
    'JPEG without pixels': (lambda encode: b'\xff\xd8\xff\xd9', 'cut short'),
    'JPEG of 60000': (huge_jpeg, '60000 x 60000 pixels'),
    'PNG of 60000': (huge_png, '60000 x 60000 pixels'),
    '100 MB of zeros': (lambda encode: bytes(100_000_000), 'too many bytes'),
}


@pytest.mark.parametrize('name', BAD)
def test_a_bad_picture_is_named_by_its_place(loaded, encode, good, name):
    make, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf'images\[1\]: .*{message}'):
        loaded['serving_default'](images=tf.constant([good, make(encode), good]))


@pytest.mark.parametrize('name', BAD)
def test_tolerant_answers_the_others(loaded, encode, good, name):
    make, message = BAD[name]
    alone = loaded['serving_default'](images=tf.constant([good]))
    answer = loaded['tolerant'](images=tf.constant([good, make(encode), good]))
    errors = [each.decode() for each in answer['errors'].numpy()]
    assert errors[0] == errors[2] == ''
    assert message in errors[1]
    for at in (0, 2):
        np.testing.assert_allclose(answer['scores'][at], alone['scores'][0], atol=1e-6)
        np.testing.assert_array_equal(answer['classes'][at], alone['classes'][0])
    assert not answer['scores'][1].numpy().any()
    assert set(answer['classes'][1].numpy()) == {b''}


def test_a_request_of_bad_ones_alone_is_answered(loaded):
    answer = loaded['tolerant'](images=tf.constant([b'', b'x', b'\xff\xd8\xff']))
    assert all(answer['errors'].numpy())


def animated(number, side, encode):
    frames = [PIL.Image.new('P', (side, side), each % 2) for each in range(2)]
    buffer = io.BytesIO()
    all_ = [frames[each % 2] for each in range(number)]
    all_[0].save(buffer, 'GIF', save_all=True, append_images=all_[1:], optimize=False)
    return buffer.getvalue()


@pytest.mark.parametrize(
    'make',
    [
        lambda encode: animated(3, 50, encode),
        lambda encode: encode('JPEG', mode='CMYK'),
        lambda encode: encode('JPEG', mode='L'),
        lambda encode: encode('PNG', mode='I;16'),
        lambda encode: encode('PNG', mode='P'),
        lambda encode: encode('PNG', mode='RGBA'),
        lambda encode: encode('BMP'),
        lambda encode: encode('WEBP', lossless=True),
        lambda encode: encode('JPEG', size=(1, 1)),
        lambda encode: encode('PNG', size=(3000, 1)),
    ],
)
def test_odd_pictures_are_answered(loaded, encode, make):
    scores = loaded['serving_default'](images=tf.constant([make(encode)]))['scores'].numpy()
    np.testing.assert_allclose(scores.sum(), 1, rtol=1e-5)


def test_an_animation_is_its_first_picture(loaded, encode):
    buffer = io.BytesIO()
    first, second = (PIL.Image.open(io.BytesIO(encode('PNG', seed=at))) for at in range(2))
    first, second = first.quantize(32), second.quantize(32)
    first.save(buffer, 'GIF', save_all=True, append_images=[second])
    png = io.BytesIO()
    first.convert('RGB').save(png, 'PNG')
    answer = loaded['serving_default'](images=tf.constant([buffer.getvalue(), png.getvalue()]))
    np.testing.assert_allclose(answer['scores'][0], answer['scores'][1], atol=1e-6)


# In a process of its own, for the most that a process has held never falls.
_GROWTH = """
import resource, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1]).signatures['tolerant']
small, animation, large = (open(path, 'rb').read() for path in sys.argv[2:])
loaded(images=tf.constant([small]))
for asked in ([animation], [large] * 12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    errors = loaded(images=tf.constant(asked))['errors'].numpy()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, errors[0].decode())
"""


@pytest.mark.slow
def test_pictures_take_bounded_memory(version, tmp_path, good, encode):
    """Of an animation, one picture's. Of twelve of 48 megapixels, four decoders', not twelve."""
    side = int(untrusted_images.MOST_PIXELS**0.5) - 1
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (side, side), (9, 99, 199)).save(buffer, 'PNG')
    animation = animated(40, 2000, encode)  # 0.5 GB of pixels
    paths = [tmp_path / name for name in ('small', 'animation', 'large')]
    for path, each in zip(paths, (good, animation, buffer.getvalue()), strict=True):
        path.write_bytes(each)
    command = [sys.executable, '-c', _GROWTH, str(version), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes, errors = zip(*(line.split(' ', 1) for line in done.stdout.splitlines()), strict=True)
    assert errors == ('', '')
    assert int(kilobytes[0]) < 300_000
    assert int(kilobytes[1]) < 1_500_000


@pytest.mark.parametrize(('name', 'number'), [('serving_default', 10_000), ('ten_views', 33)])
def test_too_many_pictures_are_refused_before_they_are_read(loaded, good, name, number):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f'{number} pictures; at most'):
        loaded[name](images=tf.constant([good] * number))


@pytest.mark.parametrize('shape', [(1, 0, 5, 3), (1, 5, 0, 3), (257, 1, 1, 3)])
def test_pixels_have_limits(loaded, shape):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r'pixels; from 1|at most 256'):
        loaded['pixels'](images=tf.zeros(shape, tf.uint8))


@pytest.mark.parametrize(
    ('name', 'images'),
    [
        ('serving_default', np.zeros((1, 9, 9, 3), np.uint8)),
        ('serving_default', [[b'a', b'b']]),
        ('serving_default', b'alone'),
        ('pixels', np.zeros((9, 9, 3), np.uint8)),
        ('pixels', np.zeros((1, 9, 9, 3), np.float32)),
        ('pixels', np.zeros((1, 9, 9, 1), np.uint8)),
    ],
)
def test_wrong_types_and_ranks_are_refused(loaded, name, images):
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError, ValueError)):
        loaded[name](images=tf.constant(images))
