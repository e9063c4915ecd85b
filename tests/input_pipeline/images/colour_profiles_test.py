"""Compares conversions of ICC profiles, built here by hand, with LittleCMS in Pillow."""

import io
import struct

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import tensorflow as tf

from input_pipeline.images import colour_profiles

D50 = np.array([0.9642, 1.0, 0.8249])
# x and y of red, green and blue, and the white point.
PRIMARIES = {
    'sRGB': ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    'Adobe RGB': ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
    'Display P3': ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    'BT.2020': ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def to_xyz(x, y):
    return np.array([x / y, 1.0, (1 - x - y) / y])


def compute_colorants(name):
    """The columns of the matrix to XYZ under D50, adapted as by Bradford."""
    primaries = np.stack([to_xyz(*primary) for primary in PRIMARIES[name]], 1)
    white = to_xyz(0.3127, 0.3290)
    matrix = primaries * np.linalg.solve(primaries, white)
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    scale = np.diag(bradford @ D50 / (bradford @ white))
    return np.linalg.inv(bradford) @ scale @ bradford @ matrix


def fixed(*values):
    return struct.pack(f'>{len(values)}i', *(round(value * 65536) for value in values))


def formula(kind, *parameters):
    return b'para\0\0\0\0' + struct.pack('>HH', kind, 0) + fixed(*parameters)


def table(*points):
    return b'curv\0\0\0\0' + struct.pack(f'>I{len(points)}H', len(points), *points)


CURVES = {
    'gamma 2.2': table(round(2.2 * 256)),
    'linear': table(),
    'points': table(*(round(65535 * (at / 40) ** 1.8) for at in range(41))),
    'two points': table(0, 65535),
    'formula 0': formula(0, 2.4),
    'formula 1': formula(1, 2.0, 1.1, -0.1),
    'formula 2': formula(2, 2.0, 0.9, -0.1, 0.05),
    'formula 3': formula(3, *SRGB_CURVE),
    'formula 4': formula(4, 2.4, 0.9, 0.05, 0.3, 0.04, 0.02, 0.01),
}


def name_tag(name, version):
    if version == 2:
        return b'desc\0\0\0\0' + struct.pack('>I', len(name) + 1) + name.encode() + bytes(79)
    text = name.encode('utf-16-be')
    return b'mluc\0\0\0\0' + struct.pack('>II4sII', 1, 12, b'enUS', len(text), 28) + text


def build(colorants, curve, *, space=b'RGB ', version=4, name='a space', other=()):
    tags = [(b'desc', name_tag(name, version)), (b'wtpt', b'XYZ \0\0\0\0' + fixed(*D50)), *other]
    if space == b'RGB ':
        for color, column in zip(b'rgb', colorants.T, strict=True):
            tags.append((bytes([color]) + b'XYZ', b'XYZ \0\0\0\0' + fixed(*column)))
            tags.append((bytes([color]) + b'TRC', curve))
    else:
        tags.append((b'kTRC', curve))
    start, index, body = 132 + 12 * len(tags), b'', b''
    for tag, content in tags:
        index += tag + struct.pack('>II', start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    fields = struct.pack(
        '>I4sBBH4s4s4s', start + len(body), b'none', version, 0, 0, b'mntr', space, b'XYZ '
    )
    header = fields + bytes(12) + b'acsp' + bytes(28) + fixed(*D50)
    return header.ljust(128, b'\0') + struct.pack('>I', len(tags)) + index + body


def convert_by_lcms(pixels, profile):
    image = PIL.Image.fromarray(pixels)
    source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = PIL.ImageCms.createProfile('sRGB')
    # Relative colorimetric: others move a black that is not quite black.
    options = {'outputMode': 'RGB', 'renderingIntent': 1}
    return np.asarray(PIL.ImageCms.profileToProfile(image, source, target, **options))


_convert = tf.function(
    colour_profiles.convert,
    input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.string)],
    autograph=False,
)
_read = tf.function(
    colour_profiles.read_conversion, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
)
PIXELS = np.random.default_rng(0).integers(0, 256, (90, 110, 3), np.uint8)


def convert(pixels, profile):
    return _convert(tf.constant(pixels), tf.constant(profile)).numpy()


@pytest.mark.parametrize('curve', CURVES)
@pytest.mark.parametrize('space', ['Adobe RGB', 'Display P3', 'BT.2020'])
def test_matrix_profiles_are_converted_as_by_lcms(space, curve):
    profile = build(compute_colorants(space), CURVES[curve])
    converted = convert(PIXELS, profile).astype(int)
    expected = convert_by_lcms(PIXELS, profile)
    difference = np.abs(converted - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.1
    assert np.abs(PIXELS - converted).max() > 20


@pytest.mark.parametrize('curve', ['gamma 2.2', 'points', 'formula 0'])
def test_grey_profiles_are_converted_as_by_lcms(curve):
    profile = build(None, CURVES[curve], space=b'GRAY')
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    converted = convert(np.repeat(grey[..., None], 3, -1), profile).astype(int)
    assert np.abs(converted - convert_by_lcms(grey, profile)).max() <= 1


def test_srgb_is_left_as_it_is():
    for curve in ('formula 3',):
        profile = build(compute_colorants('sRGB'), CURVES[curve])
        np.testing.assert_array_equal(convert(PIXELS, profile), PIXELS)
    pillows = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile('sRGB')).tobytes()
    np.testing.assert_array_equal(convert(PIXELS, pillows), PIXELS)
    assert not _read(tf.constant(pillows)).is_needed
    assert _read(tf.constant(pillows)).is_possible


def test_more_pixels_than_a_block_are_converted_alike(monkeypatch):
    monkeypatch.setattr(colour_profiles, '_BLOCK_ROWS', 8)
    profile = tf.constant(build(compute_colorants('Display P3'), CURVES['formula 3']))
    conversion = _read(profile)
    blocks = colour_profiles._convert_blocks(tf.constant(PIXELS), conversion)
    np.testing.assert_array_equal(blocks, convert(PIXELS, profile.numpy()))


ORDINARY = build(compute_colorants('Display P3'), CURVES['formula 3'])


@pytest.mark.parametrize(
    'profile',
    [
        b'junk',
        bytes(500),
        ORDINARY[:-50],
        ORDINARY.replace(b'RGB ', b'CMYK'),
        ORDINARY.replace(b'mntrRGB XYZ ', b'mntrRGB Lab '),
        ORDINARY.replace(b'gTRC', b'gXXX'),
        ORDINARY.replace(b'bXYZ', b'bXXX'),
        ORDINARY.replace(b'para', b'parb'),
        build(
            compute_colorants('Display P3'), CURVES['linear'], other=[(b'A2B0', b'mAB \0\0\0\0')]
        ),
        build(None, CURVES['linear'], space=b'CMYK'),
    ],
)
def test_other_profiles_are_not_converted(profile):
    assert not _read(tf.constant(profile)).is_possible
    np.testing.assert_array_equal(convert(PIXELS, profile), PIXELS)


def test_damaged_profiles_never_fail():
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(ORDINARY)
        for at in random.integers(0, len(damaged), 4):
            damaged[at] = random.choice([0, 0x7F, 0x80, 0xFF, random.integers(0, 256)])
        assert convert(PIXELS[:2], bytes(damaged)).shape == (2, 110, 3)


@pytest.mark.parametrize('version', [2, 4])
def test_names_are_read(version):
    profile = build(compute_colorants('sRGB'), CURVES['linear'], version=version, name='Wide 1')
    assert colour_profiles.read_name(profile) == 'Wide 1'
    assert colour_profiles.read_name(profile.replace(b'desc', b'xxxx', 1)) == 'without a name'
    for length in range(0, len(profile), 7):
        colour_profiles.read_name(profile[:length])
