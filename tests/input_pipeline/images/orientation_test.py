"""Compares what is read from EXIF and XMP with Pillow, and graphs with Python."""

import io
import struct
import warnings

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import orientation

_STRINGS = [tf.TensorSpec([], tf.string)] * 2
_read_in_graph = tf.function(orientation.read_in_graph, input_signature=_STRINGS, autograph=False)


def read(exif, xmp=b''):
    """Reads in Python, and checks that a graph reads the same."""
    number = orientation.read(exif, xmp)
    assert int(_read_in_graph(tf.constant(exif), tf.constant(xmp))) == number
    return number


def make_tiff(order, entries):
    start = {'<': b'II*\0', '>': b'MM\0*'}[order]
    tiff = start + struct.pack(f'{order}IH', 8, len(entries))
    for tag, type_, count, value in entries:
        content = struct.pack(f'{order}I' if type_ in (4, 9) else f'{order}HH', *value)
        tiff += struct.pack(f'{order}HHI', tag, type_, count) + content
    return tiff + bytes(4)


def transpose_by_pillow(exif=b'', xmp=b''):
    """The orientation that Pillow gives a JPEG, found by the corner that its upper left goes to."""
    image = PIL.Image.new('L', (24, 16), 0)
    image.paste(255, (0, 0, 8, 8))
    image.paste(120, (16, 0, 24, 8))
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=100, exif=orientation.EXIF + exif if exif else b'', xmp=xmp)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # a tag with two values
        upright = PIL.ImageOps.exif_transpose(PIL.Image.open(buffer))
    width, height = upright.size
    corners = [upright.getpixel(at) for at in ((3, 3), (width - 4, 3), (3, height - 4))]
    corners = [(value + 60) // 120 for value in corners]
    kinds = [(2, 1, 0), (1, 2, 0), (0, 0, 1), (0, 0, 2), (2, 0, 1), (0, 2, 0), (0, 1, 0), (1, 0, 2)]
    return 1 + kinds.index(tuple(corners))


CASES = {
    'a short': [(0x0112, 3, 1, (6, 0))],
    'among others': [(0x010F, 3, 1, (3, 0)), (0x0112, 3, 1, (8, 0)), (0x0128, 3, 1, (2, 0))],
    'twice': [(0x0112, 3, 1, (8, 0)), (0x0112, 3, 1, (2, 0))],
    'a long': [(0x0112, 4, 1, (6,))],
    'a signed long': [(0x0112, 9, 1, (3,))],
    'of no meaning': [(0x0112, 3, 1, (9, 0))],
    'two values': [(0x0112, 3, 2, (6, 6))],
    'bytes': [(0x0112, 1, 1, (6, 6))],
    'none': [(0x010F, 3, 1, (3, 0))],
}


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('name', CASES)
def test_exif_is_read_as_by_pillow(name, order):
    tiff = make_tiff(order, CASES[name])
    assert read(tiff) == read(orientation.EXIF + tiff) == transpose_by_pillow(tiff)


XMP = {
    'an attribute': b'<a tiff:Orientation="6"/>',
    'an element': b'<tiff:Orientation>3</tiff:Orientation>',
    'the first that has a digit': b'tiff:Orientation="x" tiff:Orientation="8" tiff:Orientation="2"',
    'of no meaning': b'<a tiff:Orientation="0"/>',
    'cut off': b'<a tiff:Orientation="',
    'another': b'<a tiff:Orientations="6"/>',
    'bytes that are no text': b'\xff\xfe tiff:Orientation="5" \xff',
}


@pytest.mark.parametrize('name', XMP)
def test_xmp_is_read_as_by_pillow_where_exif_has_none(name):
    xmp = XMP[name]
    assert read(b'', xmp) == transpose_by_pillow(xmp=xmp)
    tiff = make_tiff('<', CASES['none'])
    assert read(tiff, xmp) == transpose_by_pillow(tiff, xmp)


@pytest.mark.parametrize('name', ['a short', 'of no meaning'])
def test_exif_comes_before_xmp(name):
    tiff = make_tiff('>', CASES[name])
    assert read(tiff, XMP['an element']) == transpose_by_pillow(tiff, XMP['an element'])


def test_damaged_exif_is_read_in_graphs_as_in_python():
    whole = make_tiff('<', CASES['among others'])
    for length in range(len(whole)):
        assert read(whole[:length]) in (1, 8)
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole)
        for at in random.integers(0, len(damaged), 2):
            damaged[at] = random.integers(0, 256)
        read(bytes(damaged))


@pytest.mark.parametrize('number', range(1, 9))
def test_orientations_are_applied_as_by_pillow(number):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    exif, buffer = PIL.Image.Exif(), io.BytesIO()
    exif[0x0112] = number
    PIL.Image.fromarray(image).save(buffer, 'PNG', exif=exif)
    upright = np.asarray(PIL.ImageOps.exif_transpose(PIL.Image.open(buffer)))
    applied = orientation.apply(tf.constant(image), tf.constant(number))
    np.testing.assert_array_equal(applied, upright)
