"""Reads metadata of PNG and WebP as Pillow does, wherever they stand."""

import io
import struct
import zlib

import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import chunks, decoding

NAMES = {True: ('tRNS', 'eXIf', 'iTXt', 'iCCP'), False: ('EXIF', 'XMP ', 'ICCP')}
READERS = {True: chunks.read_png_metadata, False: chunks.read_webp_metadata}


def trace(is_png):
    def read_(encoded):
        metadata_chunks = chunks.Chunks(encoded, NAMES[is_png], is_png=is_png)
        return READERS[is_png](metadata_chunks)

    return tf.function(read_, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


_READ = {is_png: trace(is_png) for is_png in (True, False)}


def read(encoded):
    metadata = _READ[encoded.startswith(b'\x89PNG')](tf.constant(encoded))
    return int(metadata.orientation), metadata.profile.numpy()


def encode(kind, **options):
    buffer = io.BytesIO()
    PIL.Image.effect_noise((64, 48), 80).convert('RGB').save(buffer, kind, **options)
    return buffer.getvalue()


def make_exif(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def chunk(name, content):
    check = struct.pack('>I', zlib.crc32(name + content))
    return struct.pack('>I', len(content)) + name + content + check


def is_turned(encoded):
    return PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(encoded))).size == (48, 64)


@pytest.mark.parametrize('kind', ['PNG', 'WEBP'])
def test_orientation_and_profile_are_read(kind):
    profile = bytes(range(256)) * 3
    encoded = encode(kind, exif=make_exif(6), icc_profile=profile)
    assert is_turned(encoded)
    assert read(encoded) == (6, profile)
    assert read(encode(kind)) == (1, b'')


def test_exif_behind_the_pixels_of_a_png_is_read():
    encoded, exif = encode('PNG'), make_exif(8).tobytes().removeprefix(b'Exif\0\0')
    encoded = encoded[:-12] + chunk(b'eXIf', exif) + encoded[-12:]
    assert is_turned(encoded)
    assert read(encoded)[0] == 8
    assert read(encoded + chunk(b'eXIf', exif.replace(b'\x08', b'\x03')))[0] == 8


def test_xmp_is_read_where_there_is_no_exif():
    xmp = b'<a tiff:Orientation="6"/>'
    encoded = encode('PNG')
    text = chunk(b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0' + xmp)
    png = encoded[:33] + text + encoded[33:]
    webp = encode('WEBP', xmp=xmp)
    assert is_turned(png)
    assert is_turned(webp)
    assert read(png)[0] == read(webp)[0] == 6
    comment = chunk(b'iTXt', b'Comment\0\0\0\0\0a text')
    for followed in (encoded[:33] + text + comment, encoded[:33] + comment + text):
        assert is_turned(followed + encoded[33:])
        assert read(followed + encoded[33:])[0] == 6
    other = encoded[:33] + text.replace(b'com.adobe', b'com.other') + encoded[33:]
    assert read(other)[0] == 1


@pytest.mark.parametrize(
    'content', [b'', b'name', b'name\0', b'name\0\0', b'name\0\0junk', b'x' * 100]
)
def test_a_profile_that_is_no_profile_is_ignored(content):
    encoded = encode('PNG')
    assert read(encoded[:33] + chunk(b'iCCP', content) + encoded[33:]) == (1, b'')


def test_chunks_that_are_cut_off_are_ignored():
    for kind in ('PNG', 'WEBP'):
        encoded = encode(kind, exif=make_exif(6), icc_profile=bytes(100))
        for length in (12, 20, 30, 40, 60, 90, len(encoded) - 20, len(encoded) - 1):
            assert read(encoded[:length])[0] in (1, 6)


def test_no_more_chunks_than_the_limit_are_walked(monkeypatch):
    monkeypatch.setattr(chunks, 'MAX_CHUNKS', 20)
    encoded = encode('PNG')
    for number, is_read in ((15, True), (20, False)):
        many = encoded[:33] + number * chunk(b'teSt', b'') + encoded[33:]
        if is_read:
            assert chunks.Chunks(tf.constant(many), ('tRNS',), is_png=True).read('tRNS') == b''
        else:
            with pytest.raises(tf.errors.InvalidArgumentError, match='chunks is not read'):
                chunks.Chunks(tf.constant(many), ('tRNS',), is_png=True)


@pytest.mark.parametrize(
    ('name', 'header'), [(b'zTXt', b'k\0\0'), (b'iTXt', b'k\0\1\0\0\0')], ids=['zTXt', 'iTXt']
)
def test_texts_that_libpng_would_unpack_are_limited(name, header):
    """A thousand of them, 8 MB of file, would take 8 GB."""
    text, encoded = chunk(name, header + zlib.compress(b'a' * 7_999_000, 9)), encode('PNG')
    few, many = (encoded[:33] + number * text + encoded[33:] for number in (2, 40))
    assert decoding.decode(tf.constant(few)).shape == (48, 64, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match='compressed texts'):
        decoding.decode(tf.constant(many))
