"""Walks JPEGs with all that may stand in them and behind, in Python and in graphs."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import jpeg

_SIGNATURE = [tf.TensorSpec([], tf.string)]
_read_in_graph, _scans_in_graph = (
    tf.function(function, input_signature=_SIGNATURE, autograph=False)
    for function in (jpeg.read_metadata_in_graph, jpeg.has_too_many_scans_in_graph)
)


def encode(size=(37, 21), **options):
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 80).convert('RGB').save(buffer, 'JPEG', **options)
    return buffer.getvalue()


def read(encoded):
    """Reads metadata in Python, and checks that a graph reads the same."""
    metadata = jpeg.read_metadata(encoded)
    in_graph = _read_in_graph(tf.constant(encoded))
    assert (int(in_graph.orientation), in_graph.profile.numpy()) == tuple(metadata)
    return metadata


def has_too_many_scans(encoded):
    has_too_many = jpeg.has_too_many_scans(encoded)
    assert bool(_scans_in_graph(tf.constant(encoded))) == has_too_many
    return has_too_many


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack('>H', len(content) + 2) + content


def insert(encoded, *segments):
    return encoded[:2] + b''.join(segments) + encoded[2:]


EXIF = segment(0xE1, b'Exif\0\0II*\0' + struct.pack('<IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0))
XMP = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<a tiff:Orientation="8"/>')
PROFILE = segment(0xE2, b'ICC_PROFILE\0\1\1' + b'profile')
COMMENT = segment(0xFE, b'0123456789')
SCANS = b'\xff\xda' * 150


@pytest.mark.parametrize(
    ('segments', 'expected'),
    [
        ((), (1, b'')),
        ((EXIF,), (6, b'')),
        ((XMP,), (8, b'')),
        ((XMP, PROFILE, EXIF), (6, b'profile')),
        ((COMMENT * 300, EXIF), (6, b'')),
        ((COMMENT, b'\xff' * 9, EXIF), (6, b'')),
        ((segment(0xE1, EXIF), PROFILE), (1, b'profile')),
        ((segment(0xE5, SCANS), EXIF), (6, b'')),
        ((segment(0xE2, b'MPF\0'), PROFILE, PROFILE), (1, b'profile')),
        ((b'\xff\x01', b'junk', EXIF), (6, b'')),
    ],
)
def test_metadata_is_read_from_the_segments_before_the_pixels(segments, expected):
    assert read(insert(encode(), *segments)) == expected
    assert read(insert(encode(), *segments) + EXIF + XMP) == expected


@pytest.mark.parametrize(('mode', 'channels'), [('L', 1), ('RGB', 3), ('CMYK', 4)])
@pytest.mark.parametrize('is_progressive', [False, True])
def test_the_size_is_that_of_the_frame(mode, channels, is_progressive):
    buffer = io.BytesIO()
    image = PIL.Image.effect_noise((37, 21), 80).convert(mode)
    image.save(buffer, 'JPEG', progressive=is_progressive)
    encoded = insert(buffer.getvalue(), EXIF, segment(0xE5, buffer.getvalue()[:600]))
    assert jpeg.read_header(encoded)[:3] == (37, 21, channels)
    start = encoded.rindex(b'\xff\xc2' if is_progressive else b'\xff\xc0')
    assert jpeg.read_header(encoded[:start])[:3] == (0, 0, 0)


def test_metadata_behind_the_start_of_the_pixels_is_not_read():
    encoded = encode()
    start = encoded.index(b'\xff\xda')
    assert read(encoded[:start] + EXIF + encoded[start:]) == (6, b'')
    assert read(encoded[:-2] + EXIF + encoded[-2:]) == (1, b'')


def test_damaged_segments_are_read_in_graphs_as_in_python():
    whole = insert(encode((8, 8)), XMP, PROFILE, EXIF)
    for length in range(2, 150):
        read(whole[:length])
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for at in random.integers(0, 200, 3):
            damaged[at] = random.choice([0, 1, 0xFF, 0xDA, 0xD9, 0xE1, random.integers(0, 256)])
        read(bytes(damaged))
        has_too_many_scans(bytes(damaged) + SCANS)


def repeat_scan(number):
    encoded = encode(progressive=True)
    last = encoded[encoded.rindex(b'\xff\xda') : -2]
    return encoded[:-2] + number * last + encoded[-2:]


def test_scans_are_counted_in_the_image_only():
    motion_photo = encode() + b'\0\0\0\x18ftypmp42' + SCANS + encode(progressive=True) * 20
    assert not has_too_many_scans(motion_photo)
    assert not has_too_many_scans(insert(encode(), segment(0xE1, SCANS), segment(0xED, SCANS)))
    scans = repeat_scan(0).count(b'\xff\xda')
    assert not has_too_many_scans(repeat_scan(100 - scans))
    assert has_too_many_scans(repeat_scan(101 - scans))
    assert has_too_many_scans(repeat_scan(200) + SCANS)


def test_segments_without_end_count_as_too_many_scans():
    assert has_too_many_scans(insert(encode(), COMMENT * 3000) + SCANS)
    assert not has_too_many_scans(insert(encode(), COMMENT * 3000))
