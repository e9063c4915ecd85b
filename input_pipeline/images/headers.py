"""What a picture's first bytes say: its kind, size and orientation; names are not trusted.

A picture of a few kilobytes can claim billions of pixels, and decoders allocate what it claims:
what is too large is never decoded.
"""

import struct

import tensorflow as tf

from input_pipeline.images import gif

MOST_BYTES = 64 << 20
MOST_PIXELS = 50_000_000
MOST_SEGMENTS = 1024  # of a JPEG before its pixels
MOST_SCANS = 100  # of a JPEG: each is a pass over all its pixels; encoders make about ten
SCANS = f'a JPEG of more than {MOST_SCANS} scans'
# The kinds of WebP, by their marks and the marks' places. Decoders take more than these, which say
# their size elsewhere.
WEBPS = (
    ((b'VP8 ', 12), (b'\x9d\x01\x2a', 23)),
    ((b'VP8L', 12), (b'\x2f', 20)),
    ((b'VP8X', 12),),
)
ANIMATED = 2  # bit of a WebP's flags
MOVING_WEBP = 'an animated WebP is not read'
BMP_HEADER = 40  # bytes, at least
OLD_BMP = 'an OS/2 bitmap is not read'
BITS = ' bits a pixel of a BMP; 24 and 32 are read'  # TensorFlow ignores palettes
_HEAD = 1 << 18  # bytes; EXIF comes before pixels

_JPEGS = {1: 'grey JPEG', 4: 'CMYK JPEG'}  # by channels
_APP1, _ORIENTATION, _SHORT = 0xE1, 0x0112, 3  # of EXIF
# Its size is in the first chunk, IHDR: libpng would pass over another that comes before it.
PNG = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR'
_GIF, _BMP = b'GIF8', b'BM'


def check(encoded: bytes) -> str:
    """Refuses what is no picture that can be decoded in reasonable memory.

    Args:
        encoded: A whole encoded picture.

    Returns:
        Its kind: 'JPEG', 'grey JPEG', 'CMYK JPEG', 'PNG', 'GIF', 'BMP' or 'WebP'.

    Raises:
        ValueError: It is empty, too long, or claims too many pixels; or its format is none of
            JPEG, PNG, GIF, BMP and WebP.
        tf.errors.OpError: A broken JPEG header.
    """
    if not encoded:
        raise ValueError('the file is empty')
    if len(encoded) > MOST_BYTES:
        raise ValueError(f'too many bytes; at most {MOST_BYTES:,} are read')
    kind, width, height = _read(encoded)
    if unread := _unread_kind(encoded, kind):
        raise ValueError(unread)
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f'{width} x {height} pixels; from 1 to {MOST_PIXELS:,} are read')
    return kind


def orientation(encoded: bytes) -> int:
    """A JPEG's EXIF orientation, 1 to 8; 1, upright, where it says nothing that makes sense."""
    at, head = 2, encoded[:_HEAD]
    try:
        for _ in range(MOST_SEGMENTS):
            if not head.startswith(b'\xff', at) or head.startswith(b'\xff\xda', at):
                break
            if head.startswith(b'\xff\xff', at):  # fills
                at += 1
                continue
            (length,) = struct.unpack_from('>H', head, at + 2)
            if head[at + 1] == _APP1 and head.startswith(b'Exif\0\0', at + 4):
                return _orientation(head[at + 10 : at + 2 + length])
            at += 2 + length
    except (struct.error, IndexError):
        pass
    return 1


def size(encoded: bytes) -> tuple[int, int]:
    """(width, height) in pixels, as the header claims; errors as those of `check`."""
    return _read(encoded)[1:]


def _orientation(tiff: bytes) -> int:
    order = {b'II*\0': '<', b'MM\0*': '>'}.get(tiff[:4], '>')
    (directory,) = struct.unpack_from(f'{order}I', tiff, 4)
    (number,) = struct.unpack_from(f'{order}H', tiff, directory)
    for at in range(directory + 2, directory + 2 + 12 * number, 12):
        tag, kind, count, value = struct.unpack_from(f'{order}HHIH', tiff, at)
        if (tag, kind, count) == (_ORIENTATION, _SHORT, 1):
            return value if 1 <= value <= 8 else 1
    return 1


def _read(encoded: bytes) -> tuple[str, int, int]:
    """(kind, width, height), as the header claims."""
    try:
        if encoded[:3] == b'\xff\xd8\xff':
            height, width, channels = tf.io.extract_jpeg_shape(encoded).numpy().tolist()
            return _JPEGS.get(channels, 'JPEG'), width, height
        if encoded.startswith(PNG):
            return 'PNG', *struct.unpack_from('>II', encoded, 16)
        if encoded.startswith(_GIF):
            return 'GIF', *_gif_size(encoded)
        if encoded.startswith(_BMP):
            width, height = struct.unpack_from('<ii', encoded, 18)
            return 'BMP', width, abs(height)
        if encoded[:4] == b'RIFF' and encoded[8:12] == b'WEBP' and _is_webp(encoded):
            return 'WebP', *_webp_size(encoded)
    except struct.error as error:
        raise ValueError('the file is cut short in its header') from error
    raise ValueError('not a picture: neither JPEG, PNG, GIF, BMP nor WebP')


def _gif_size(encoded: bytes) -> tuple[int, int]:
    """Of the screen or of the first picture on it, whichever is larger."""
    screen = struct.unpack_from('<HHBBB', encoded, 6)[:2]
    _, width, height = _first_picture(tf.constant(encoded))
    return max(screen[0], int(width)), max(screen[1], int(height))


_first_picture = tf.function(
    gif.first_picture, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
)


def _is_webp(encoded: bytes) -> bool:
    return any(all(encoded.startswith(*mark) for mark in kind) for kind in WEBPS)


def _unread_kind(encoded: bytes, kind: str) -> str:
    """What is not read of a format that is, or ''."""
    if kind == 'BMP':
        header, bits = (
            int.from_bytes(encoded[at:end], 'little') for at, end in ((14, 18), (28, 30))
        )
        return OLD_BMP if header < BMP_HEADER else '' if bits in (24, 32) else f'{bits}{BITS}'
    if kind == 'WebP' and encoded[12:16] == b'VP8X' and encoded[20] & ANIMATED:
        return MOVING_WEBP
    return SCANS if 'JPEG' in kind and encoded.count(b'\xff\xda') > MOST_SCANS else ''


def _webp_size(encoded: bytes) -> tuple[int, int]:
    """Of the three kinds of WebP: lossy, lossless and extended."""
    kind = encoded[12:16]
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', encoded, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b'VP8L':
        (bits,) = struct.unpack_from('<I', encoded, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    low_width, high_width, low_height, high_height = struct.unpack_from('<HBHB', encoded, 24)
    return (high_width << 16 | low_width) + 1, (high_height << 16 | low_height) + 1
