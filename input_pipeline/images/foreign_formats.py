"""Recognises by content files that TensorFlow cannot decode; reads HEIC and AVIF with Pillow.

Phones write HEIC, and websites AVIF. They are converted to PNG, which is decoded as usual. A served
graph cannot convert them.
"""

import importlib.util
import io
import struct

HEIC, AVIF = 'HEIC', 'AVIF'
_HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')
_AVIF_BRANDS = (b'avif', b'avis')
_MAX_BRANDS = 32
_SIGNATURES = (
    (b'\0\0\0\x0cjP  \r\n\x87\n', 'JPEG 2000'),
    (b'\xff\x4f\xff\x51', 'JPEG 2000'),
    (b'\0\0\0\x0cJXL \r\n\x87\n', 'JPEG XL'),
    (b'\xff\x0a', 'JPEG XL'),
    (b'II*\0', 'TIFF'),
    (b'MM\0*', 'TIFF'),
    (b'II+\0', 'TIFF'),
    (b'MM\0+', 'TIFF'),
    (b'8BPS', 'Photoshop'),
    (b'%PDF', 'PDF'),
)
_TEXT_STARTS = ((b'<!doctype html', 'HTML'), (b'<html', 'HTML'), (b'<svg', 'SVG'))
_MIN_BYTES = 12
_ADVICE = 'convert it to JPEG or PNG, as by "magick IN OUT.jpg"'
_READERS = {HEIC: 'pillow_heif', AVIF: 'PIL'}  # packages


def recognize(encoded: bytes) -> str:
    """Names the format of a file that is not decoded here, as 'TIFF'; '' if it is unknown.

    >>> recognize(b'II*' + bytes(20))
    'TIFF'

    Args:
        encoded: The file, or its first 512 bytes.
    """
    if encoded[4:8] == b'ftyp':
        return _recognize_container(encoded)
    start = encoded[:512].lstrip().lower()
    text = next((name for mark, name in _TEXT_STARTS if start.startswith(mark)), '')
    binary = next((name for mark, name in _SIGNATURES if encoded.startswith(mark)), '')
    return (len(encoded) > _MIN_BYTES and binary) or text


def describe(encoded: bytes) -> str:
    """Names the format of a file that is not read, and what to do; '' if its format is unknown."""
    name = recognize(encoded)
    if not name:
        return ''
    advice = 'download the image again' if name == 'HTML' else _ADVICE
    if name in _READERS and not importlib.util.find_spec(_READERS[name]):
        advice = f'install {_READERS[name]} (pip install "alexnet_tf[heic]"), or {advice}'
    return f'not an image that is read, but {name}: {advice}'


def convert(encoded: bytes, max_pixels: int) -> tuple[str, bytes]:
    """Converts a HEIC or an AVIF to a PNG, if a package that reads it is installed.

    Args:
        encoded: A whole file of any kind.
        max_pixels: Pixels that its header may claim.

    Returns:
        The name of the format that was converted, and the PNG: upright, and with transparency and
        a colour profile if there are some. For everything else, '' and the input.

    Raises:
        ValueError: It is damaged, or has too many pixels.
    """
    name = recognize(encoded)
    open_image = {HEIC: _open_heic, AVIF: _open_avif}.get(name)
    if open_image is None:
        return '', encoded
    try:
        image = open_image(encoded)
        width, height = image.size
        is_small = 0 < width * height <= max_pixels
        png = _encode_png(image) if is_small else b''
    except ImportError:
        return '', encoded
    except Exception as error:  # the readers fail in any way on broken files
        problem = ' '.join(str(error).split())
        raise ValueError(f'a damaged {name} ({problem})') from error
    if not is_small:
        raise ValueError(f'{width} x {height} pixels; from 1 to {max_pixels:,} are read')
    return name, png


def _recognize_container(encoded: bytes) -> str:
    """Names the format of a file in ISO's base media format, by its brands."""
    (size,) = struct.unpack_from('>I', encoded)
    brands = encoded[8 : min(size, 8 + 4 * _MAX_BRANDS)]
    names = [brands[at : at + 4] for at in range(0, len(brands), 4)]
    if any(name in _AVIF_BRANDS for name in names):
        return AVIF
    return HEIC if any(name in _HEIC_BRANDS for name in names) else 'MP4 or QuickTime'


def _open_heic(encoded: bytes):
    import pillow_heif

    return pillow_heif.open_heif(io.BytesIO(encoded))


def _open_avif(encoded: bytes):
    import PIL.features
    import PIL.Image

    if not PIL.features.check('avif'):
        raise ImportError
    return PIL.Image.open(io.BytesIO(encoded), formats=('AVIF',))


def _encode_png(image) -> bytes:
    import PIL.ImageOps

    pixels = image.to_pillow() if hasattr(image, 'to_pillow') else image
    upright = PIL.ImageOps.exif_transpose(pixels)
    upright = upright.convert('RGBA' if upright.has_transparency_data else 'RGB')
    buffer = io.BytesIO()
    profile = pixels.info.get('icc_profile')
    upright.save(buffer, 'PNG', compress_level=1, icc_profile=profile, exif=b'')
    return buffer.getvalue()
