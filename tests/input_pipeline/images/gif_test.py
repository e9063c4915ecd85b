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
    frame, width, height = gif.extract_first_frame(tf.constant(encoded))
    assert (int(width), int(height)) == (60, 40)
    with PIL.Image.open(io.BytesIO(frame.numpy())) as opened:
        assert opened.n_frames == 1
        kept = np.asarray(opened.convert('RGB'))
    with PIL.Image.open(io.BytesIO(encoded)) as opened:
        np.testing.assert_array_equal(kept, np.asarray(opened.convert('RGB')))
    np.testing.assert_array_equal(decoding.decode(tf.constant(encoded)), kept)


def test_later_frames_are_cut_off_undecoded():
    frames = [PIL.Image.new('P', (500, 500), index % 2) for index in range(40)]
    encoded = encode_animation(frames, optimize=False)
    frame, _, _ = gif.extract_first_frame(tf.constant(encoded))
    assert len(frame.numpy()) < len(encoded) / 20


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
def test_no_more_blocks_than_the_limit_are_walked(make_blocks, number, is_read, monkeypatch):
    monkeypatch.setattr(gif, 'MAX_BLOCKS', 200)
    encoded = b'GIF89a' + struct.pack('<HHBBB', 9, 9, 0, 0, 0) + make_blocks(number)
    frame, width, height = gif.extract_first_frame(tf.constant(encoded))
    if is_read:
        assert frame.numpy().startswith(b'GIF89a')
    else:
        assert (frame.numpy(), int(width), int(height)) == (b'', 0, 0)


@pytest.mark.parametrize('share', [0.0, 0.01, 0.2, 0.9])
def test_a_truncated_gif_is_refused_by_the_decoder(share):
    encoded = encode_animation([noise_image(0)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(tf.constant(encoded[: max(6, int(share * len(encoded)))]))
