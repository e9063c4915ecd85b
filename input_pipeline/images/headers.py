"""Reads an image's format, size and orientation from its header, whatever the file is called.

An image of a few kilobytes can claim billions of pixels, and decoders allocate what it claims: one
that is too large is refused before it is decoded. `graph_headers` does the same in TensorFlow
operations.
"""

import struct

import tensorflow as tf

from input_pipeline.images import foreign_formats, gif

MAX_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
MAX_SEGMENTS = 1024  # of a JPEG before its pixels
MAX_SCANS = 100  # of a JPEG: each is a pass over all its pixels; encoders make about ten
MAX_EXIF_BYTES = 1 << 18  # EXIF data comes before pixels

JPEG, GIF, BMP = b'\xff\xd8\xff', b'GIF8', b'BM'
# The size is in the first chunk, IHDR: libpng would skip another chunk before it.
PNG = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR'
# The kinds of WebP, by their signatures and the signatures' offsets. Decoders take more kinds,
# whose size is elsewhere.
WEBPS = (((b'VP8 ', 12), (b'\x9d\x01\x2a', 23)), ((b'VP8L', 12), (b'\x2f', 20)), ((b'VP8X', 12),))
WEBP_ANIMATION = 2  # bit of the flags
BMP_HEADER_BYTES = 40  # at least
ORIENTATION_TAG, SHORT_TYPE = 0x0112, 3  # of EXIF

NOT_AN_IMAGE = 'not an image: neither JPEG, PNG, GIF, BMP nor WebP'
TOO_MANY_BYTES = 'too many bytes; at most {:,} are read'
TOO_MANY_PIXELS = ' pixels; from 1 to {:,} are read'
TOO_MANY_SCANS = f'a JPEG of more than {MAX_SCANS} scans is not read'
ANIMATED_WEBP = 'an animated WebP is not read'
OS2_BITMAP = 'an OS/2 bitmap is not read'
BITS_PER_PIXEL = ' bits per pixel of a BMP; 24 and 32 are read'  # TensorFlow ignores palettes

_JPEG_KINDS = {1: 'grey JPEG', 4: 'CMYK JPEG'}  # by channels
_APP1 = 0xE1


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
    if not encoded:
        raise ValueError('the file is empty')
    if len(encoded) > MAX_BYTES:
        raise ValueError(TOO_MANY_BYTES.format(MAX_BYTES))
    kind, width, height = _read_header(encoded)
    if problem := _find_unsupported_kind(encoded, kind):
        raise ValueError(problem)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(f'{width} x {height}' + TOO_MANY_PIXELS.format(MAX_PIXELS))
    return kind


def read_size(encoded: bytes) -> tuple[int, int]:
    """Reads the (width, height) in pixels that a header claims; raises what `check` raises."""
    return _read_header(encoded)[1:]


def read_orientation(encoded: bytes) -> int:
    """Reads the EXIF orientation of a JPEG, 1 to 8; of everything else, it is 1 (upright)."""
    offset, head = 2, encoded[:MAX_EXIF_BYTES]
    try:
        for _ in range(MAX_SEGMENTS):
            if not head.startswith(b'\xff', offset) or head.startswith(b'\xff\xda', offset):
                break
            if head.startswith(b'\xff\xff', offset):  # a fill byte
                offset += 1
                continue
            (length,) = struct.unpack_from('>H', head, offset + 2)
            if head[offset + 1] == _APP1 and head.startswith(b'Exif\0\0', offset + 4):
                return _read_tiff_orientation(head[offset + 10 : offset + 2 + length])
            offset += 2 + length
    except (struct.error, IndexError):
        pass
    return 1


def _read_tiff_orientation(tiff: bytes) -> int:
    order = '<' if tiff.startswith(b'II*\0') else '>'
    (directory,) = struct.unpack_from(f'{order}I', tiff, 4)
    (entries,) = struct.unpack_from(f'{order}H', tiff, directory)
    for offset in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, type_, count, value = struct.unpack_from(f'{order}HHIH', tiff, offset)
        if (tag, type_, count) == (ORIENTATION_TAG, SHORT_TYPE, 1):
            return value if 1 <= value <= 8 else 1
    return 1


def _read_header(encoded: bytes) -> tuple[str, int, int]:
    """Reads (kind, width, height)."""
    try:
        if encoded.startswith(JPEG):
            height, width, channels = tf.io.extract_jpeg_shape(encoded).numpy().tolist()
            return _JPEG_KINDS.get(channels, 'JPEG'), width, height
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
    """The size of the screen or of the first frame, whichever is larger."""
    screen_width, screen_height, *_ = struct.unpack_from('<HHBBB', encoded, 6)
    _, width, height = _extract_first_frame(tf.constant(encoded))
    return max(screen_width, int(width)), max(screen_height, int(height))


_extract_first_frame = tf.function(
    gif.extract_first_frame, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
)


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
    """Says what is not read although its format is; '' if there is nothing."""
    if kind == 'BMP':
        header_bytes = int.from_bytes(encoded[14:18], 'little')
        bits = int.from_bytes(encoded[28:30], 'little')
        if header_bytes < BMP_HEADER_BYTES:
            return OS2_BITMAP
        return '' if bits in (24, 32) else f'{bits}{BITS_PER_PIXEL}'
    if kind == 'WebP' and encoded[12:16] == b'VP8X' and encoded[20] & WEBP_ANIMATION:
        return ANIMATED_WEBP
    too_many_scans = 'JPEG' in kind and encoded.count(b'\xff\xda') > MAX_SCANS
    return TOO_MANY_SCANS if too_many_scans else ''
