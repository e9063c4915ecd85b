"""Checks that the first frame of an animation is the one that Pillow shows first."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, gif


def encode_animation(frames, **kwargs):
    buffer = io.BytesIO()
    frames[0].save(buffer, 'GIF', save_all=True, append_images=frames[1:], **kwargs)
    return buffer.getvalue()


def noise_image(seed, size=(60, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return PIL.Image.fromarray(values).quantize(64)


@pytest.mark.parametrize('number', [1, 2, 5])
@pytest.mark.parametrize('options', [{}, {'loop': 0, 'duration': 40, 'comment': b'c' * 700}])
def test_the_first_frame_is_kept_and_the_others_are_removed(number, options):
    encoded = encode_animation([noise_image(seed) for seed in range(number)], **options)
    frame = gif.extract_first_frame(tf.constant(encoded))
    assert frame.canvas.numpy().tolist() == [60, 40]
    with PIL.Image.open(io.BytesIO(frame.encoded.numpy())) as opened:
        assert opened.n_frames == 1
        kept = np.asarray(opened.convert('RGB'))
    with PIL.Image.open(io.BytesIO(encoded)) as opened:
        np.testing.assert_array_equal(kept, np.asarray(opened.convert('RGB')))
    np.testing.assert_array_equal(decoding.decode(tf.constant(encoded)), kept)


def test_later_frames_are_cut_off_undecoded():
    frames = [PIL.Image.new('P', (500, 500), index % 2) for index in range(40)]
    encoded = encode_animation(frames, optimize=False)
    frame = gif.extract_first_frame(tf.constant(encoded))
    assert len(frame.encoded.numpy()) < len(encoded) / 20


@pytest.fixture(scope='module')
def extract_of_200():
    """The function for a limit of 200 blocks."""
    function = gif.extract_first_frame.python_function
    traced = tf.function(function, [tf.TensorSpec([], tf.string)], autograph=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gif, 'MAX_BLOCKS', 200)
        return traced.get_concrete_function()


@pytest.mark.parametrize(
    'make_blocks',
    [
        lambda number: b'\x21\xfe' + b'\1x' * number + b'\0',
        lambda number: b'\x21\xfe\0' * (number // 2),
        lambda number: b'\x2c' + bytes(8) + b'\0\2' + b'\1x' * number,
    ],
    ids=['long comment', 'many comments', 'tiny blocks of pixels'],
)
@pytest.mark.parametrize(('number', 'is_read'), [(180, True), (220, False), (200_000, False)])
def test_no_more_blocks_than_the_limit_are_walked(make_blocks, number, is_read, extract_of_200):
    encoded = b'GIF89a' + struct.pack('<HHBBB', 9, 9, 0, 0, 0) + make_blocks(number)
    frame = extract_of_200(tf.constant(encoded))
    if is_read:
        assert frame.encoded.numpy().startswith(b'GIF89a')
    else:
        assert (frame.encoded.numpy(), frame.canvas.numpy().tolist()) == (b'', [0, 0])


@pytest.mark.parametrize('share', [0.0, 0.01, 0.2, 0.9])
def test_a_truncated_gif_is_refused_by_the_decoder(share):
    encoded = encode_animation([noise_image(0)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(tf.constant(encoded[: max(6, int(share * len(encoded)))]))


_decode = tf.function(gif.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def build_gif(screen, corner, size, *, transparent=None, local_palette=True):
    """A GIF of a frame with the colours 0, 1, 2, 3, 0, ... somewhere on a screen, by hand."""
    palette = bytes([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 99, 199])
    indices = np.arange(size[0] * size[1]) % 4
    # Without compression: a clear code (4), two indices and again a clear code, 3 bits each.
    codes = [code for pair in indices.reshape(-1, 2) for code in (4, *pair)] + [5]
    bits = sum(int(code) << (3 * at) for at, code in enumerate(codes))
    pixels = bits.to_bytes(-(-3 * len(codes) // 8), 'little')
    flags = 0x81 if local_palette else 0
    control = b'\x21\xf9\x04' + bytes([1, 0, 0, transparent, 0]) if transparent is not None else b''
    screen_flags, screen_palette = (0, b'') if local_palette else (0x81, palette)
    return (
        b'GIF89a'
        + struct.pack('<HHBBB', *screen, screen_flags, 0, 0)
        + screen_palette
        + control
        + struct.pack('<BHHHHB', 0x2C, *corner, *size, flags)
        + (palette if local_palette else b'')
        + b'\x02'
        + bytes([len(pixels)])
        + pixels
        + b'\0;'
    )


@pytest.mark.parametrize('local_palette', [True, False])
@pytest.mark.parametrize('transparent', [0, 3, None, 200])
def test_transparent_pixels_are_those_that_pillow_finds(transparent, local_palette):
    encoded = build_gif(
        (6, 4), (0, 0), (6, 4), transparent=transparent, local_palette=local_palette
    )
    with PIL.Image.open(io.BytesIO(encoded)) as opened:
        expected = np.asarray(opened.convert('RGBA'))
    rgb, alpha = _decode(tf.constant(encoded))
    is_opaque = np.broadcast_to(expected[..., 3] > 0, (4, 6))
    np.testing.assert_array_equal(rgb.numpy()[is_opaque], expected[is_opaque][:, :3])
    opacity = alpha.numpy() if alpha.shape[-1] else np.full((4, 6, 1), 255)
    np.testing.assert_array_equal(opacity[..., 0], 255 * is_opaque)


@pytest.mark.parametrize(
    ('screen', 'corner', 'canvas'), [((9, 8), (2, 3), (9, 8)), ((3, 3), (1, 2), (7, 6))]
)
def test_a_frame_lies_where_it_should_and_the_rest_is_transparent(screen, corner, canvas):
    rgb, alpha = _decode(tf.constant(build_gif(screen, corner, (6, 4))))
    assert alpha.shape == (canvas[1], canvas[0], 1)
    left, top = corner
    inside = np.zeros((canvas[1], canvas[0]), bool)
    inside[top : top + 4, left : left + 6] = True
    np.testing.assert_array_equal(alpha[..., 0], 255 * inside)
    assert rgb[top, left].numpy().tolist() == [200, 0, 0]
    assert rgb[top + 3, left + 5].numpy().tolist() == [9, 99, 199]


def test_the_last_graphic_control_before_the_frame_counts():
    encoded = build_gif((6, 4), (0, 0), (6, 4), transparent=1)
    other = b'\x21\xf9\x04\x01\0\0\x02\0'
    start = encoded.index(b'\x21\xf9')
    _, alpha = _decode(tf.constant(encoded[:start] + other + encoded[start:]))
    assert alpha[0, :4, 0].numpy().tolist() == [255, 0, 255, 255]


def test_what_follows_something_else_than_a_frame_is_not_decoded():
    """Else one changed byte would have the whole animation unpacked."""
    frames = [PIL.Image.new('P', (500, 500), index % 2) for index in range(40)]
    encoded = encode_animation(frames, optimize=False)
    at = encoded.index(b'\x2c\0\0\0\0' + struct.pack('<HH', 500, 500))
    broken = tf.constant(encoded[:at] + b'\0' + encoded[at + 1 :])
    frame = gif.extract_first_frame(broken)
    assert len(frame.encoded.numpy()) < 1000
    assert frame.canvas.numpy().tolist() == [0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(broken)
