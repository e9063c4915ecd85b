"""Order as a function of (seed, epoch), resumed at every position."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import order

SIZES = (5, 7, 3, 6)


@pytest.fixture
def shards(tmp_path, monkeypatch):
    monkeypatch.setattr(order, 'GROUP_EXAMPLES', 14)  # two shards a group
    made, number = [], 0
    for at, size in enumerate(SIZES):
        path = str(tmp_path / f'{at}.tfrecord')
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(size):
                writer.write(str(number).encode())
                number += 1
        made.append((path, size))
    return made


def epoch_of(shards, seed=1, epoch=0, skip=0):
    made = order.shuffled_epoch(
        shards, seed=seed, epoch=tf.constant(epoch, tf.int64), skip=tf.constant(skip, tf.int64)
    )
    pairs = [(int(record.numpy()), int(index)) for record, index in made]
    assert all(record == index for record, index in pairs)
    return [index for _, index in pairs]


def test_every_example_once(shards):
    assert sorted(epoch_of(shards)) == list(range(sum(SIZES)))


def test_seed_and_epoch_decide(shards):
    streams = {
        (seed, epoch): tuple(epoch_of(shards, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)
    }
    assert len(set(streams.values())) == 4
    assert streams[1, 0] == tuple(epoch_of(shards, 1, 0))


def test_resumes_at_every_position(shards):
    whole = epoch_of(shards, epoch=3)
    for skip in range(len(whole) + 1):
        assert epoch_of(shards, epoch=3, skip=skip) == whole[skip:]


@pytest.mark.parametrize('wrong', [-1, 1])
def test_a_shard_of_another_length_is_noticed(shards, wrong):
    shards[2] = (shards[2][0], SIZES[2] + wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match='manifest'):
        epoch_of(shards)


def test_file_order(shards):
    indices = [int(index) for _, index in order.in_file_order(shards)]
    assert indices == list(np.arange(sum(SIZES)))
