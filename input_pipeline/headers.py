"""The size of a picture from its first bytes, so that what is too large is never decoded.

A picture of a few kilobytes can claim billions of pixels, and decoders allocate what it claims.
"""

import struct

import tensorflow as tf

MOST_BYTES = 64 << 20
MOST_PIXELS = 50_000_000

_PNG, _GIF, _BMP = b'\x89PNG\r\n\x1a\n', b'GIF8', b'BM'


def check(encoded: bytes) -> None:
    """Refuses what is no picture that can be decoded in reasonable memory.

    Args:
        encoded: A whole encoded picture.

    Raises:
        ValueError: It is empty, too long, or claims too many pixels; or its format is none of
            JPEG, PNG, GIF, BMP and WebP.
        tf.errors.OpError: A broken JPEG header.
    """
    if not encoded:
        raise ValueError('the file is empty')
    if len(encoded) > MOST_BYTES:
        raise ValueError(f'{len(encoded):,} bytes; at most {MOST_BYTES:,} are read')
    width, height = size(encoded)
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f'{width} x {height} pixels; from 1 to {MOST_PIXELS:,} are read')


def size(encoded: bytes) -> tuple[int, int]:
    """(width, height) in pixels, as the header claims.

    Raises:
        ValueError: Another format, or a header cut short.
        tf.errors.OpError: A broken JPEG header.
    """
    try:
        if encoded[:3] == b'\xff\xd8\xff':
            height, width, _ = tf.io.extract_jpeg_shape(encoded).numpy().tolist()
            return width, height
        if encoded.startswith(_PNG):
            return struct.unpack_from('>II', encoded, 16)
        if encoded.startswith(_GIF):
            return struct.unpack_from('<HH', encoded, 6)
        if encoded.startswith(_BMP):
            width, height = struct.unpack_from('<ii', encoded, 18)
            return width, abs(height)
        if encoded[:4] == b'RIFF' and encoded[8:12] == b'WEBP':
            return _webp_size(encoded)
    except struct.error as error:
        raise ValueError('the file is cut short in its header') from error
    raise ValueError('not a picture: neither JPEG, PNG, GIF, BMP nor WebP')


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
