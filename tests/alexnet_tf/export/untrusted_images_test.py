"""Untrusted images: one clear error that names the image, and the server keeps serving."""

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
from input_pipeline.images import rendering


@pytest.fixture
def good(encode):
    return encode('JPEG')


@pytest.fixture(autouse=True)
def still_served(loaded, good):
    """After each test, a good request gets the same scores as before."""
    before = loaded['serving_default'](images=tf.constant([good]))['scores'].numpy()
    yield
    after = loaded['serving_default'](images=tf.constant([good]))['scores'].numpy()
    np.testing.assert_allclose(after, before, atol=1e-6)


def create_huge_jpeg(encode):
    encoded = bytearray(encode('JPEG'))
    frame = encoded.index(b'\xff\xc0')
    encoded[frame + 5 : frame + 9] = struct.pack('>HH', 60000, 60000)
    return bytes(encoded)


def create_huge_png(encode):
    """An intact PNG of a few kilobytes that claims 60000 x 60000 zeros."""

    def chunk(kind, body):
        check = struct.pack('>I', zlib.crc32(kind + body))
        return struct.pack('>I', len(body)) + kind + body + check

    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    start = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
    return start + chunk(b'IDAT', body) + chunk(b'IEND', b'')


BAD = {
    'empty': (lambda encode: b'', 'it is empty'),
    'garbage': (lambda encode: b'\x00\x01' * 500, 'not an image'),
    'text': (lambda encode: b'<html>', 'not an image'),
    'truncated JPEG': (lambda encode: encode('JPEG', size=(300, 200))[:4000], 'truncated'),
    'truncated PNG': (lambda encode: encode('PNG')[:3000], 'truncated'),
    'truncated GIF': (lambda encode: encode('GIF')[:900], 'truncated'),
    'JPEG without pixels': (lambda encode: b'\xff\xd8\xff\xd9', 'truncated'),
    'JPEG of 60000': (create_huge_jpeg, '60000 x 60000 pixels'),
    'PNG of 60000': (create_huge_png, '60000 x 60000 pixels'),
    '100 MB of zeros': (lambda encode: bytes(100_000_000), 'too many bytes'),
}


@pytest.mark.parametrize('name', BAD)
def test_an_unreadable_image_is_named_by_its_index(loaded, encode, good, name):
    make, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf'images\[1\]: .*{message}'):
        loaded['serving_default'](images=tf.constant([good, make(encode), good]))


@pytest.mark.parametrize('name', BAD)
def test_tolerant_scores_the_other_images(loaded, encode, good, name):
    make, message = BAD[name]
    alone = loaded['serving_default'](images=tf.constant([good]))
    predictions = loaded['tolerant'](images=tf.constant([good, make(encode), good]))
    errors = [error.decode() for error in predictions['errors'].numpy()]
    assert errors[0] == errors[2] == ''
    assert message in errors[1]
    for row in (0, 2):
        np.testing.assert_allclose(predictions['scores'][row], alone['scores'][0], atol=1e-6)
        np.testing.assert_array_equal(predictions['classes'][row], alone['classes'][0])
    assert not predictions['scores'][1].numpy().any()
    assert set(predictions['classes'][1].numpy()) == {b''}


def test_a_request_of_unreadable_images_only_gets_errors(loaded):
    predictions = loaded['tolerant'](images=tf.constant([b'', b'x', b'\xff\xd8\xff']))
    assert all(predictions['errors'].numpy())


def animate(count, side):
    colours = [PIL.Image.new('P', (side, side), colour) for colour in range(2)]
    frames = [colours[index % 2] for index in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, 'GIF', save_all=True, append_images=frames[1:], optimize=False)
    return buffer.getvalue()


@pytest.mark.parametrize(
    'make',
    [
        lambda encode: animate(3, 50),
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
def test_unusual_images_are_scored(loaded, encode, make):
    scores = loaded['serving_default'](images=tf.constant([make(encode)]))['scores'].numpy()
    np.testing.assert_allclose(scores.sum(), 1, rtol=1e-5)


def test_an_animation_is_scored_as_its_first_frame(loaded, encode):
    buffer = io.BytesIO()
    first, second = (PIL.Image.open(io.BytesIO(encode('PNG', seed=seed))) for seed in range(2))
    first, second = first.quantize(32), second.quantize(32)
    first.save(buffer, 'GIF', save_all=True, append_images=[second])
    png = io.BytesIO()
    first.convert('RGB').save(png, 'PNG')
    images = tf.constant([buffer.getvalue(), png.getvalue()])
    scores = loaded['serving_default'](images=images)['scores']
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)


@pytest.mark.slow
def test_a_served_graph_shows_images_as_python_does_to_the_bit(encode):
    shown = rendering.Rendering(exif_orientation=True, colour_profiles=True, background='#0080ff')
    turned = PIL.Image.Exif()
    turned[0x0112] = 5
    jpegs = [encode('JPEG'), encode('JPEG', exif=turned), encode('JPEG', 'CMYK')]
    others = [
        encode('PNG'),
        encode('PNG', 'RGBA'),
        encode('PNG', 'RGBA', exif=turned),
        encode('WEBP', 'RGBA', exif=turned),
        encode('GIF', 'P', transparency=2),
        encode('BMP', 'P'),
    ]
    serve = tf.function(
        lambda encoded: untrusted_images.decode_squares(encoded, size=32, rendering=shown),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    for images in (jpegs + others, jpegs):
        squares, problems = serve(tf.constant(images))
        assert not any(problems.numpy())
        for image, square in zip(images, squares, strict=True):
            np.testing.assert_array_equal(square, rendering.render_square(image, shown, 32)[0])


# In a process of its own, since the peak memory of a process never falls.
_GROWTH = """
import resource, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1]).signatures['tolerant']
small, animation, large = (open(path, 'rb').read() for path in sys.argv[2:])
loaded(images=tf.constant([small]))
for images in ([animation], [large] * 12):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    errors = loaded(images=tf.constant(images))['errors'].numpy()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, errors[0].decode())
"""


@pytest.mark.slow
def test_decoding_takes_bounded_memory(version, tmp_path, good):
    """An animation takes a frame's. Twelve images of 48 megapixels take four decoders', not 12."""
    side = int(untrusted_images.MAX_IMAGE_PIXELS**0.5) - 1
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (side, side), (9, 99, 199)).save(buffer, 'PNG')
    animation = animate(40, 2000)  # 0.5 GB of pixels
    paths = [tmp_path / name for name in ('small', 'animation', 'large')]
    for path, encoded in zip(paths, (good, animation, buffer.getvalue()), strict=True):
        path.write_bytes(encoded)
    command = [sys.executable, '-c', _GROWTH, str(version), *map(str, paths)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split(' ', 1) for line in process.stdout.splitlines())
    kilobytes, errors = zip(*lines, strict=True)
    assert errors == ('', '')
    assert int(kilobytes[0]) < 300_000
    assert int(kilobytes[1]) < 1_500_000


@pytest.mark.parametrize(('name', 'number'), [('serving_default', 10_000), ('ten_views', 33)])
def test_too_many_images_are_refused_before_they_are_decoded(loaded, good, name, number):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=f'{number} images in a request; at most'
    ):
        loaded[name](images=tf.constant([good] * number))


@pytest.mark.parametrize('shape', [(1, 0, 5, 3), (1, 5, 0, 3), (257, 1, 1, 3)])
def test_the_size_and_number_of_pixel_images_are_limited(loaded, shape):
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
