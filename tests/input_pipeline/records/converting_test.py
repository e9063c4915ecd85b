"""Images in chunks, plain ones and others: each as it is alone, and errors with their image."""

import errno
import hashlib
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, foreign_formats, headers, rendering
from input_pipeline.records import converting, manifests, statistics
from input_pipeline.sources import entries as entries_lib

SIZE, OWN = 32, rendering.OWN_IMAGES


def encode(seed, kind='JPEG', **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def fail():
    raise OSError(5, 'Input/output error')


ROTATED = PIL.Image.Exif()
ROTATED[0x0112] = 3
IMAGES = [
    *map(encode, range(40)),  # more than a chunk
    encode(40, 'PNG'),
    encode(41, exif=ROTATED),
    encode(42)[:-700],
    b'a text',
    encode(43),
]


@pytest.fixture(scope='module')
def images():
    readers = [*((lambda image=image: image) for image in IMAGES), fail]
    return [entries_lib.Entry(f'{n}', n % 2, read) for n, read in enumerate(readers)]


def convert(images, encoding, **options):
    layout = manifests.Layout(encoding, SIZE)
    record_format = converting.RecordFormat(('a', 'b'), (), (), layout, OWN)
    return list(converting.convert_all(images, record_format, **options))


def read_features(record):
    features = tf.train.Example.FromString(record).features.feature
    return {
        name: [*feature.bytes_list.value, *feature.int64_list.value][0]
        for name, feature in features.items()
    }


@pytest.mark.parametrize('encoding', ['jpeg', 'raw'])
def test_each_image_is_converted_as_it_is_alone(images, encoding):
    converted = convert(images, encoding)
    assert len(converted) == len(images)
    for number, (entry, image) in enumerate(zip(images[:42], converted, strict=False)):
        encoded = entry.read()
        square = converting.decode_square(encoded, OWN, SIZE)
        features = read_features(image.record)
        stored = decoding.encode_jpeg(square) if encoding == 'jpeg' else square
        stored = stored.numpy() if encoding == 'jpeg' else stored.numpy().tobytes()
        assert features['image/encoded'] == stored
        assert features['image/filename'] == entry.name.encode()
        assert features['image/class/label'] == number % 2
        assert image.digest == hashlib.sha256(encoded).hexdigest()[:16]
        assert image.kind == ('PNG' if number == 40 else 'JPEG')
        turned = ('turned: EXIF orientation 3',)
        assert image.treatments == (turned if number == 41 else ())
        assert convert([entry], encoding) == [image]


def test_what_cannot_be_read_is_an_error_in_its_place(images):
    damaged, text, whole, gone = convert(images, 'jpeg')[42:]
    assert isinstance(damaged, tf.errors.InvalidArgumentError)
    assert 'not an image' in str(text)
    assert whole.kind == 'JPEG'
    assert gone.strerror == 'Input/output error'


def test_the_first_images_count_for_the_statistics(images):
    for sampled in (1, 35, 45):
        sums = statistics.PixelSums(SIZE)
        convert(images, 'jpeg', sums=sums, sampled=sampled)
        readable = [images[n].read() for n in range(sampled) if n not in (42, 43)]
        squares = [converting.decode_square(image, OWN, SIZE) for image in readable]
        pixels = np.stack(squares).astype(np.int64)
        arrays = sums.to_arrays()
        assert arrays['count'] == len(readable)
        np.testing.assert_array_equal(arrays['total'], pixels.sum(0))
        products = pixels.reshape(-1, 3).T @ pixels.reshape(-1, 3)
        np.testing.assert_array_equal(np.triu(arrays['products']), np.triu(products))


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.EMFILE, 'Too many open files'),
        tf.errors.ResourceExhaustedError(None, None, 'OOM'),
    ],
)
def test_a_lack_of_the_machine_is_not_an_error_of_an_image(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        converting._attempt(fail)
    assert isinstance(converting._attempt(int, 'a text'), ValueError)


def test_what_an_image_is_converted_to_may_be_larger_than_a_file(monkeypatch):
    """A HEIC of 40 megapixels is some MB, and much more as PNG."""
    png = encode(50, 'PNG')
    monkeypatch.setattr(headers, 'MAX_BYTES', len(png) // 2)
    monkeypatch.setattr(
        foreign_formats, 'convert', lambda encoded, _: ('HEIC', png) if encoded == b'heic' else 0
    )
    assert converting.decode_square(b'heic', OWN).shape == (256, 256, 3)
    with pytest.raises(ValueError, match='too many bytes'):
        converting.decode_square(png, OWN)
