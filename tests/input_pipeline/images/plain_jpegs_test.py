"""Many JPEGs by one call: equal to the bit to each alone."""

import io

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, headers, plain_jpegs, rendering

SIZE = 32
OPTIONS = {'quality': 95, 'halves_colour': False}


def encode(size=(40, 52), mode='RGB', **options):
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 80).convert(mode).save(buffer, 'JPEG', **options)
    return buffer.getvalue()


def turn(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return {'exif': exif}


PLAIN = [
    encode(),
    encode((52, 20)),
    encode((SIZE, SIZE), mode='L'),
    encode((33, 60), mode='CMYK'),
    encode(progressive=True, subsampling=2),
    encode(**turn(1)),
    encode((1030, 1040)),  # which the decoder halves
]


def test_squares_and_their_jpegs_are_those_of_each_alone():
    squares, stored = plain_jpegs.render(PLAIN, SIZE, **OPTIONS)
    for encoded, square, jpeg in zip(PLAIN, squares, stored, strict=True):
        alone, treatments = rendering.render_square(encoded, rendering.OWN_IMAGES, SIZE)
        np.testing.assert_array_equal(square, alone)
        assert jpeg == decoding.encode_jpeg(alone).numpy()
        recognized = plain_jpegs.recognize(encoded, rendering.OWN_IMAGES)
        assert recognized == (headers.check(encoded), treatments)


def test_quality_and_colour_resolution_are_those_of_pillow():
    for quality, subsampling in ((50, 0), (85, 2)):
        squares, (stored,) = plain_jpegs.render(
            PLAIN[:1], SIZE, quality=quality, halves_colour=subsampling == 2
        )
        buffer = io.BytesIO()
        image = PIL.Image.fromarray(squares[0])
        image.save(buffer, 'JPEG', quality=quality, subsampling=subsampling)
        ours, theirs = (PIL.Image.open(io.BytesIO(jpeg)) for jpeg in (stored, buffer.getvalue()))
        assert ours.quantization == theirs.quantization
        assert ours.layer == theirs.layer  # with the sampling factors
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_without_a_quality_nothing_is_encoded():
    squares, stored = plain_jpegs.render(PLAIN[:2], SIZE, quality=0, halves_colour=False)
    assert stored == [b'', b'']
    np.testing.assert_array_equal(squares, plain_jpegs.render(PLAIN[:2], SIZE, **OPTIONS)[0])


def with_many_scans():
    encoded = encode()
    start = encoded.index(b'\xff\xda')
    return encoded[:start] + b'\xff\xda\0\x02' * 150 + encoded[start:]


@pytest.mark.parametrize(
    'encoded',
    [
        encode(**turn(6)),
        encode(
            icc_profile=PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile('LAB')).tobytes()
        ),
        with_many_scans(),
        encode()[:30],
        encode().replace(b'\0\x34\0\x28', b'\xff\xff\xff\xff'),  # its height and width
        b'\xff\xd8\xff',
        b'',
        tf.io.encode_png(np.zeros((4, 4, 3), np.uint8)).numpy(),
    ],
    ids=['turned', 'profile', 'scans', 'cut', 'huge', 'start', 'empty', 'png'],
)
def test_other_files_are_not_recognized(encoded):
    recognized = plain_jpegs.recognize(encoded, rendering.OWN_IMAGES)
    if recognized:  # a profile that is not converted changes nothing
        assert recognized.treatments == rendering.render_square(encoded, rendering.OWN_IMAGES)[1]
        assert 'not converted' in recognized.treatments[0]
    else:
        assert recognized is None


def test_a_damaged_one_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        plain_jpegs.render([PLAIN[0], PLAIN[1][:-200]], SIZE, **OPTIONS)
