"""Reads an image's format and size from its header, whatever the file is called.

An image of a few kilobytes can claim billions of pixels, and decoders allocate what it claims: one
that is too large is refused before it is decoded. `graph_headers` does the same in TensorFlow
operations.
"""

import struct

import tensorflow as tf

from input_pipeline.images import bitmap, foreign_formats, gif, jpeg

MAX_BYTES = 64 << 20
MAX_PIXELS = 50_000_000

JPEG, GIF, BMP = b'\xff\xd8\xff', b'GIF8', b'BM'
# The size is in the first chunk, IHDR: libpng would skip another chunk before it.
PNG = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR'
# The kinds of WebP, by their signatures and the signatures' offsets. Decoders take more kinds,
# whose size is elsewhere.
WEBPS = (((b'VP8 ', 12), (b'\x9d\x01\x2a', 23)), ((b'VP8L', 12), (b'\x2f', 20)), ((b'VP8X', 12),))
WEBP_ANIMATION = 2  # bit of the flags

NOT_AN_IMAGE = 'not an image: neither JPEG, PNG, GIF, BMP nor WebP'
TOO_MANY_BYTES = 'too many bytes; at most {:,} are read'
TOO_MANY_PIXELS = ' pixels; from 1 to {:,} are read'
TOO_MANY_SCANS = f'a JPEG of more than {jpeg.MAX_SCANS} scans is not read'
ANIMATED_WEBP = 'an animated WebP is not read; save its first frame as an image of its own'

_JPEG_KINDS = {1: 'grey JPEG', 4: 'CMYK JPEG'}  # by channels


def check_bytes(encoded: bytes) -> None:
    """Checks the size of a file.

    Raises:
        ValueError: It is empty, or has more than MAX_BYTES bytes.
    """
    if not encoded:
        raise ValueError('the file is empty')
    if len(encoded) > MAX_BYTES:
        raise ValueError(TOO_MANY_BYTES.format(MAX_BYTES))


def check(encoded: bytes) -> str:
    """Checks that an image is of a known format and can be decoded in reasonable memory.

    Args:
        encoded: A whole encoded image.

    Returns:
        Its kind: 'JPEG', 'grey JPEG', 'CMYK JPEG', 'PNG', 'GIF', 'BMP' or 'WebP'.

    Raises:
        ValueError: It is empty, has more than MAX_BYTES bytes, claims more than MAX_PIXELS pixels,
            or is of a kind that is not read.
        tf.errors.OpError: The header of a JPEG is broken.
    """
    check_bytes(encoded)
    kind, width, height = _read_header(encoded)
    if problem := _find_unsupported_kind(encoded, kind):
        raise ValueError(problem)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f'{width} x {height}' + TOO_MANY_PIXELS.format(MAX_PIXELS))
    return kind


def name_jpeg(channels: int) -> str:
    """Names the kind of a JPEG, as `check` does."""
    return _JPEG_KINDS.get(channels, 'JPEG')


def read_size(encoded: bytes) -> tuple[int, int]:
    """Reads the (width, height) in pixels that a header claims; raises what `check` raises."""
    return _read_header(encoded)[1:]


def _read_header(encoded: bytes) -> tuple[str, int, int]:
    """Reads (kind, width, height)."""
    try:
        if encoded.startswith(JPEG):
            height, width, channels = tf.io.extract_jpeg_shape(encoded).numpy().tolist()
            return name_jpeg(channels), width, height
        if encoded.startswith(PNG):
            return 'PNG', *struct.unpack_from('>II', encoded, 16)
        if encoded.startswith(GIF):
            return 'GIF', *_read_gif_size(encoded)
        if encoded.startswith(BMP):
            width, height = struct.unpack_from('<ii', encoded, 18)
            return 'BMP', width, abs(height)
        if encoded[:4] == b'RIFF' and encoded[8:12] == b'WEBP' and _is_known_webp(encoded):
            return 'WebP', *_read_webp_size(encoded)
    except struct.error as error:
        raise ValueError('the file is cut short in its header') from error
    raise ValueError(foreign_formats.describe(encoded) or NOT_AN_IMAGE)


def _read_gif_size(encoded: bytes) -> tuple[int, int]:
    """Reads the size of the screen, enlarged if the first frame exceeds it."""
    struct.unpack_from('<HHBBB', encoded, 6)  # a whole header
    return tuple(_read_gif_canvas(encoded).numpy().tolist())


_SIGNATURE = [tf.TensorSpec([], tf.string)]
_read_gif_canvas = tf.function(
    lambda encoded: gif.extract_first_frame(encoded).canvas,
    input_signature=_SIGNATURE,
    autograph=False,
)
_find_bitmap_problem = tf.function(bitmap.find_problem, input_signature=_SIGNATURE, autograph=False)


def _is_known_webp(encoded: bytes) -> bool:
    return any(all(encoded.startswith(*mark) for mark in kind) for kind in WEBPS)


def _read_webp_size(encoded: bytes) -> tuple[int, int]:
    kind = encoded[12:16]
    if kind == b'VP8 ':  # lossy
        width, height = struct.unpack_from('<HH', encoded, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b'VP8L':  # lossless
        (bits,) = struct.unpack_from('<I', encoded, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    low_width, high_width, low_height, high_height = struct.unpack_from('<HBHB', encoded, 24)
    return (high_width << 16 | low_width) + 1, (high_height << 16 | low_height) + 1


def _find_unsupported_kind(encoded: bytes, kind: str) -> str:
    """Says why an image of a known format is not read; '' if it is."""
    if kind == 'BMP':
        return _find_bitmap_problem(encoded).numpy().decode()
    if kind == 'WebP' and encoded[12:16] == b'VP8X' and encoded[20] & WEBP_ANIMATION:
        return ANIMATED_WEBP
    too_many_scans = 'JPEG' in kind and jpeg.has_too_many_scans(encoded)
    return TOO_MANY_SCANS if too_many_scans else ''
