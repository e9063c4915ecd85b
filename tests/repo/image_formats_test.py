"""Holds docs/reference/image-formats.md to the code: a file for each of its rows, made here."""

import io
import pathlib
import re
import struct

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, headers, rendering

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'reference' / 'image-formats.md'
SIZE, BACKGROUND = (40, 32), (255, 255, 255)


def read_rows():
    lines = re.findall(r'^\| (.*) \|$', PAGE.read_text(), re.MULTILINE)
    rows = [re.split(r' \| ?', line) for line in lines]
    return {file: (text, count.strip('` ')) for file, text, count in rows if file != 'file'}


ROWS = read_rows()


def draw(mode='RGB'):
    noise = np.random.default_rng(0).integers(0, 256, (4, 5, 4), np.uint8)
    image = PIL.Image.fromarray(noise).resize(SIZE, PIL.Image.NEAREST)
    return image.convert('RGB').quantize(12) if mode == 'P' else image.convert(mode)


def encode(kind, mode='RGB', image=None, **options):
    buffer = io.BytesIO()
    (image or draw(mode)).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(type_=3):
    value = struct.pack('<I', 6)
    return b'Exif\0\0II*\0' + struct.pack('<IHHHI', 8, 1, 0x0112, type_, 1) + value + bytes(4)


XMP = b'<a tiff:Orientation="6"/>'


def without_adobe():
    encoded = encode('JPEG', 'CMYK')
    start = encoded.index(b'\xff\xee')
    return encoded[:start] + encoded[start + 16 :]


def with_scans(number):
    encoded = encode('JPEG', progressive=True)
    last = encoded[encoded.rindex(b'\xff\xda') : -2]
    return encoded[:-2] + number * last + encoded[-2:]


def bmp(bits, compression, masks=(), header_bytes=40):
    fields = struct.pack('<IiiHHI', header_bytes, *SIZE, 1, bits, compression) + bytes(20)
    header = (fields + struct.pack(f'<{len(masks)}I', *masks)).ljust(header_bytes, b'\0')
    pixels = np.random.default_rng(0).integers(0, 256, SIZE[0] * SIZE[1] * 4, np.uint8).tobytes()
    return b'BM' + struct.pack('<IHHI', 0, 0, 0, 14 + len(header)) + header + pixels


def small_frame():
    encoded = encode('GIF', 'P')
    return encoded[:6] + struct.pack('<HH', 60, 50) + encoded[10:]


def animate(kind):
    second = PIL.Image.new('RGB', SIZE)
    return encode(kind, 'P' if kind == 'GIF' else 'RGB', save_all=True, append_images=[second])


def profile(name, *, matrix=1.0, tables=False):
    """sRGB's colorants, mixed by a factor, and gamma 2.2 or, for sRGB itself, its curve."""
    srgb = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    white = srgb.sum(1, keepdims=True)
    columns = (matrix * srgb + (1 - matrix) * white / 3).T
    parameters = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    fixed = [struct.pack('>3i', *(round(value * 65536) for value in column)) for column in columns]
    curve = b'para\0\0\0\0\0\3\0\0' + struct.pack('>5i', *(round(v * 65536) for v in parameters))
    tags = [(b'desc', b'desc\0\0\0\0' + struct.pack('>I', len(name) + 1) + name.encode() + b'\0')]
    tags += [(b'rgb'[at : at + 1] + b'XYZ', b'XYZ \0\0\0\0' + fixed[at]) for at in range(3)]
    tags += [(b'rgb'[at : at + 1] + b'TRC', curve) for at in range(3)]
    tags += [(b'A2B0', b'mft2')] if tables else []
    start, index, body = 132 + 12 * len(tags), b'', b''
    for tag, content in tags:
        index += tag + struct.pack('>II', start + len(body), len(content))
        body += content
    head = struct.pack('>I', start + len(body)) + bytes(8) + b'mntrRGB XYZ '
    return head.ljust(128, b'\0') + struct.pack('>I', len(tags)) + index + body


def huge():
    encoded = bytearray(encode('PNG'))
    encoded[16:24] = struct.pack('>II', 60000, 60000)
    return bytes(encoded)


def xcode():
    encoded = encode('PNG')
    return encoded[:8] + b'\0\0\0\x04CgBI\x50\0\x20\x02' + bytes(4) + encoded[8:]


MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
FILES = {
    'JPEG, RGB': [encode('JPEG')],
    'JPEG, progressive': [encode('JPEG', progressive=True)],
    'JPEG, grey': [encode('JPEG', 'L')],
    'JPEG, CMYK or YCCK of Adobe': [encode('JPEG', 'CMYK')],
    "JPEG, CMYK without Adobe's mark": [without_adobe()],
    'JPEG with data behind its end': [encode('JPEG') + b'\xff\xda' * 500 + encode('JPEG')],
    'JPEG, orientation in EXIF, short or long': [
        encode('JPEG', exif=exif()),
        encode('JPEG', exif=exif(4)),
    ],
    'JPEG, orientation in XMP only': [encode('JPEG', xmp=XMP)],
    'JPEG of more than 100 scans': [with_scans(101)],
    'PNG, RGB, grey, palette, 1 to 16 bits, interlaced': [
        encode('PNG', mode) for mode in ('RGB', 'L', 'P', '1')
    ],
    'PNG with alpha': [encode('PNG', 'RGBA')],
    'PNG, grey with alpha': [encode('PNG', 'LA')],
    'PNG, palette with transparent colours': [encode('PNG', 'P', transparency=bytes([0, 99, 255]))],
    'PNG with one transparent colour or grey': [
        encode('PNG', 'L', transparency=draw('L').getpixel((0, 0))),
        encode('PNG', 'RGB', transparency=draw('RGB').getpixel((0, 0))),
    ],
    'PNG with alpha that is opaque everywhere': [encode('PNG', image=draw().convert('RGBA'))],
    'PNG, orientation in eXIf or XMP': [encode('PNG', exif=exif())],
    'PNG whose first chunk is not IHDR (as Xcode writes for phones)': [xcode()],
    'GIF': [encode('GIF', 'P')],
    'GIF, animated': [animate('GIF')],
    'GIF with a transparent colour': [encode('GIF', 'P', transparency=2)],
    'GIF, first frame smaller than the canvas': [small_frame()],
    'WebP, lossy or lossless': [encode('WEBP'), encode('WEBP', lossless=True)],
    'WebP with alpha': [encode('WEBP', 'RGBA'), encode('WEBP', 'RGBA', lossless=True)],
    'WebP, orientation in EXIF or XMP': [encode('WEBP', exif=exif()), encode('WEBP', xmp=XMP)],
    'WebP, animated': [animate('WEBP')],
    'BMP of 24 or 32 bits': [encode('BMP'), encode('BMP', 'RGBA')],
    'BMP of 1, 4 or 8 bits': [encode('BMP', mode) for mode in ('1', 'L', 'P')],
    'BMP with channel masks (5-6-5, RGBX, 10-10-10, ...)': [
        bmp(16, 3, (0xF800, 0x7E0, 0x1F)),
        bmp(32, 3, (0xFF000000, 0xFF0000, 0xFF00)),
    ],
    'BMP with a mask of alpha': [bmp(32, 3, MASKS, 108)],
    'BMP, compressed by run lengths, or as JPEG or PNG': [bmp(8, 1), bmp(4, 2), bmp(24, 4)],
    'BMP of OS/2': [bmp(24, 0, header_bytes=12)],
    'any, with a profile that is sRGB': [
        encode(kind, icc_profile=profile('sRGB')) for kind in ('JPEG', 'PNG', 'WEBP')
    ],
    'any, with a profile of curves and a matrix (Adobe RGB, Display P3, ...)': [
        encode(kind, icc_profile=profile('Wide', matrix=0.7)) for kind in ('JPEG', 'PNG', 'WEBP')
    ],
    'any, with another profile (tables, CMYK)': [
        encode('JPEG', icc_profile=profile('Tables', tables=True))
    ],
    'an empty file': [b''],
    'a file that is no image': [b'some text' * 9],
    'an image of more than 50 million pixels': [huge()],
}


def test_the_page_has_a_row_for_each_of_these_files():
    assert list(ROWS) == list(FILES)


@pytest.mark.parametrize('file', FILES)
def test_files_become_what_the_page_says(show_by_pillow, file):
    text, count = ROWS[file]
    for encoded in FILES[file]:
        if 'refused' in text:
            with pytest.raises(ValueError, match=re.escape(count)):
                headers.check(encoded)
            continue
        headers.check(encoded)
        square, treatments = rendering.render_square(encoded, rendering.OWN_IMAGES, 32)
        assert ', '.join(treatments) == count
        expected = tf.constant(show_by_pillow(encoded, BACKGROUND))
        shown = decoding.resize_to_square(expected, 32).numpy()
        difference = np.abs(square.numpy().astype(int) - shown).max()
        if 'matrix' in file:
            assert difference > 10
        elif 'smaller than the canvas' not in file:  # Pillow fills it with the first color
            assert difference <= ('CMYK' in file)
