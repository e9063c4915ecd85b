"""The first picture of an animation is what Pillow shows first, whatever follows."""

import io
import struct
import time

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from input_pipeline.images import decoding, gif


def animation(pictures_, **kwargs):
    buffer = io.BytesIO()
    pictures_[0].save(buffer, 'GIF', save_all=True, append_images=pictures_[1:], **kwargs)
    return buffer.getvalue()


def noise(seed, size=(60, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return PIL.Image.fromarray(values).quantize(64)


@pytest.mark.parametrize('number', [1, 2, 5])
@pytest.mark.parametrize('options', [{}, {'loop': 0, 'duration': 40, 'comment': b'c' * 700}])
def test_the_first_picture_stays_and_the_others_go(number, options):
    encoded = animation([noise(each) for each in range(number)], **options)
    first, width, height = gif.first_picture(tf.constant(encoded))
    assert (int(width), int(height)) == (60, 40)
    with PIL.Image.open(io.BytesIO(first.numpy())) as opened:
        assert opened.n_frames == 1
        kept = np.asarray(opened.convert('RGB'))
    with PIL.Image.open(io.BytesIO(encoded)) as opened:
        np.testing.assert_array_equal(kept, np.asarray(opened.convert('RGB')))
    np.testing.assert_array_equal(decoding.decode(tf.constant(encoded)), kept)


def test_others_are_not_unpacked(monkeypatch):
    frames = [PIL.Image.new('P', (500, 500), each % 2) for each in range(40)]
    encoded = animation(frames, optimize=False)
    first, _, _ = gif.first_picture(tf.constant(encoded))
    assert len(first.numpy()) < len(encoded) / 20


@pytest.mark.parametrize(
    'blocks',
    [
        b'\x21\xfe' + b'\1x' * 200_000 + b'\0',
        b'\x21\xfe\0' * 200_000,
        b''.join([b'\x2c' + bytes(8), b'\0\2', b'\1x' * 200_000]),
    ],
    ids=['long comment', 'many comments', 'tiny blocks of pixels'],
)
@pytest.mark.parametrize('most', [5_000, pytest.param(gif.MOST_BLOCKS, marks=pytest.mark.slow)])
def test_many_blocks_cost_no_more_than_a_second_or_two(blocks, most, monkeypatch):
    monkeypatch.setattr(gif, 'MOST_BLOCKS', most)
    encoded = b'GIF89a' + struct.pack('<HHBBB', 9, 9, 0, 0, 0) + blocks
    walk = tf.function(gif.first_picture, autograph=False)
    walk(tf.constant(encoded[:40]))
    start = time.process_time()
    first, width, height = walk(tf.constant(encoded))
    assert time.process_time() - start < most / 5_000
    assert (first.numpy(), int(width), int(height)) == (b'', 0, 0)


@pytest.mark.parametrize('share', [0.0, 0.01, 0.2, 0.9])
def test_what_is_cut_short_is_refused_by_the_decoder(share):
    encoded = animation([noise(0)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoding.decode(tf.constant(encoded[: max(6, int(share * len(encoded)))]))
