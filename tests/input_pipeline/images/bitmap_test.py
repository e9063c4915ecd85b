"""Compares BMPs of all depths with Pillow, and of all masks with values computed by hand."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import bitmap

_SIGNATURE = [tf.TensorSpec([], tf.string)]
_decode, _find_problem = (
    tf.function(function, input_signature=_SIGNATURE, autograph=False)
    for function in (bitmap.decode, bitmap.find_problem)
)
WIDTH, HEIGHT = 7, 5


def decode(encoded):
    assert _find_problem(tf.constant(encoded)) == b''
    return [value.numpy() for value in _decode(tf.constant(encoded))]


def build(bits, rows, *, compression=0, masks=(), header_bytes=40, height=HEIGHT, palette=b''):
    """Builds a BMP from rows of bytes, which are the last row first."""
    masks = b''.join(struct.pack('<I', mask) for mask in masks)
    fields = struct.pack('<IiiHHI', header_bytes, WIDTH, height, 1, bits, compression)
    header = (fields + bytes(20) + masks).ljust(header_bytes, b'\0') + palette
    start = 14 + len(header)
    padded = b''.join(row + bytes(-len(row) % 4) for row in rows)
    return b'BM' + struct.pack('<IHHI', start + len(padded), 0, 0, start) + header + padded


def values(bits):
    return np.random.default_rng(bits).integers(0, 1 << bits, (HEIGHT, WIDTH)).astype(np.uint32)


def to_rows(pixels, bits):
    return [row.astype(f'<u{bits // 8}').tobytes() for row in pixels[::-1]]


def read_by_hand(pixels, masks):
    """Value * 255 / largest value, rounded down, bit by bit."""
    channels = []
    for mask in masks:
        bits = [bit for bit in range(32) if mask >> bit & 1]
        channel = sum((pixels >> bit & 1).astype(int) << at for at, bit in enumerate(bits))
        channels.append(channel * 255 // max((1 << len(bits)) - 1, 1))
    return np.stack(channels, -1)


MASKS = {
    'BGRX': (32, (0xFF0000, 0xFF00, 0xFF)),
    'XBGR, the red byte last': (32, (0xFF000000, 0xFF0000, 0xFF00)),
    'RGBX': (32, (0xFF, 0xFF00, 0xFF0000)),
    '10-10-10': (32, (0x3FF00000, 0xFFC00, 0x3FF)),
    '5-6-5': (16, (0xF800, 0x7E0, 0x1F)),
    '5-5-5': (16, (0x7C00, 0x3E0, 0x1F)),
    '4-4-4': (16, (0xF00, 0xF0, 0xF)),
}


@pytest.mark.parametrize('name', MASKS)
@pytest.mark.parametrize('header_bytes', [40, 52, 108, 124])
def test_masks_say_where_the_channels_are(name, header_bytes):
    bits, masks = MASKS[name]
    pixels = values(bits)
    encoded = build(
        bits, to_rows(pixels, bits), compression=3, masks=masks, header_bytes=header_bytes
    )
    rgb, alpha = decode(encoded)
    np.testing.assert_array_equal(rgb, read_by_hand(pixels, masks))
    assert alpha.shape == (HEIGHT, WIDTH, 0)
    try:
        expected = np.asarray(PIL.Image.open(io.BytesIO(encoded)).convert('RGB'))
    except OSError:  # Pillow knows some of them
        return
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize(
    'masks',
    [
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000),
    ],
)
@pytest.mark.parametrize('header_bytes', [56, 108, 124])
def test_a_mask_of_alpha_is_read(masks, header_bytes):
    pixels = values(32)
    encoded = build(32, to_rows(pixels, 32), compression=3, masks=masks, header_bytes=header_bytes)
    rgb, alpha = decode(encoded)
    np.testing.assert_array_equal(np.concatenate([rgb, alpha], -1), read_by_hand(pixels, masks))


def test_alpha_of_nothing_but_zeros_is_not_used():
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    pixels = values(24)
    encoded = build(32, to_rows(pixels, 32), compression=3, masks=masks, header_bytes=108)
    assert decode(encoded)[1].shape == (HEIGHT, WIDTH, 0)


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGB', 'RGBA'])
@pytest.mark.parametrize('size', [(1, 1), (7, 5), (32, 3), (33, 9)])
def test_bmps_of_pillow_are_read_as_by_pillow(mode, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    image, buffer = PIL.Image.fromarray(noise), io.BytesIO()
    image = image.convert('RGB').quantize(9) if mode == 'P' else image.convert(mode)
    image.save(buffer, 'BMP')
    expected = np.asarray(PIL.Image.open(buffer).convert('RGB'))
    np.testing.assert_array_equal(decode(buffer.getvalue())[0], expected)


def test_palettes_of_16_colors_are_read():
    palette = np.random.default_rng(0).integers(0, 256, (16, 4), np.uint8)
    pixels = values(4)
    padded = np.pad(pixels, [(0, 0), (0, 1)])
    rows = [bytes((row[0::2] << 4 | row[1::2]).tolist()) for row in padded[::-1]]
    encoded = build(4, rows, palette=palette.tobytes())
    expected = np.asarray(PIL.Image.open(io.BytesIO(encoded)).convert('RGB'))
    np.testing.assert_array_equal(decode(encoded)[0], expected)
    np.testing.assert_array_equal(expected, palette[pixels][..., 2::-1])


def test_rows_may_start_at_the_top():
    pixels = values(16)
    upward = build(16, to_rows(pixels, 16))
    downward = build(16, to_rows(pixels[::-1], 16), height=-HEIGHT)
    for one, other in zip(decode(upward), decode(downward), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'header_bytes': 12}, 'OS/2'),
        ({'compression': 1}, 'uncompressed'),
        ({'compression': 2}, 'uncompressed'),
        ({'compression': 4}, 'uncompressed'),
        ({'bits': 2}, 'uncompressed'),
        ({'bits': 64}, 'uncompressed'),
        ({'bits': 24, 'compression': 3, 'masks': (0xFF0000, 0xFF00, 0xFF)}, 'uncompressed'),
        ({'compression': 3, 'masks': (0xFF0F00, 0xF000, 0xFF)}, 'adjacent'),
        ({'compression': 3, 'masks': (0xFFFFF000, 0xF00, 0xFF)}, 'adjacent'),
        ({'compression': 3, 'masks': (0, 0xFF00, 0xFF)}, 'adjacent'),
    ],
)
def test_what_is_not_read_is_named(options, message):
    encoded = build(**{'bits': 32, 'rows': to_rows(values(32), 32)} | options)
    assert message in _find_problem(tf.constant(encoded)).numpy().decode()


def test_truncated_bmps_are_refused_by_the_decoder():
    encoded = build(32, to_rows(values(32), 32))
    for length in (60, 100, len(encoded) - 1):
        with pytest.raises(tf.errors.InvalidArgumentError):
            _decode(tf.constant(encoded[:length]))
