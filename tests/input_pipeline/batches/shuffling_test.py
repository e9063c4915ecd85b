"""Order as a function of (seed, epoch), resumed at every position."""

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import shuffling

SIZES = (5, 7, 3, 6)


GROUP = 14  # two shards a group


@pytest.fixture
def shards(tmp_path):
    made, number = [], 0
    for at, size in enumerate(SIZES):
        path = str(tmp_path / f'{at}.tfrecord')
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(size):
                writer.write(str(number).encode())
                number += 1
        made.append((path, size))
    return made


def chunks_of(shards, **more):
    return list(shuffling.chunks(shards, group_examples=GROUP, **{'seed': 1, **more}))


def stream(shards, **more):
    """(epoch, index) of every example that counts."""
    found = []
    for chunk in chunks_of(shards, **more):
        assert [int(record) for record in chunk.records.numpy()] == list(chunk.indices.numpy())
        together = zip(*(part.numpy() for part in chunk), strict=True)
        found += [(epoch, index) for _, index, epoch, _, mask in together if mask]
    return found


def epoch_of(shards, seed=1, epoch=0, skip=0, **more):
    made = stream(shards, seed=seed, start=(epoch, skip), epochs=epoch + 1, **more)
    return [index for _, index in made]


def test_every_example_once(shards):
    assert sorted(epoch_of(shards)) == list(range(sum(SIZES)))


def test_seed_and_epoch_decide(shards):
    streams = {
        (seed, epoch): tuple(epoch_of(shards, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)
    }
    assert len(set(streams.values())) == 4
    assert streams[1, 0] == tuple(epoch_of(shards, 1, 0))


@pytest.mark.parametrize('reshuffle', [True, False])
def test_resumes_at_every_position(shards, reshuffle):
    total = sum(SIZES)
    whole = stream(shards, start=(2, 0), epochs=5, reshuffle=reshuffle)
    assert [epoch for epoch, _ in whole] == [2] * total + [3] * total + [4] * total
    # Around shards' and groups' ends, and an epoch's.
    for skip in (1, 5, 13, 14, total) if reshuffle else (4, 14):
        resumed = stream(shards, start=(3, skip), epochs=5, reshuffle=reshuffle)
        assert resumed == whole[total + skip :]


def test_positions_count_through_an_epoch(shards):
    for skip in (0, 3, 20):
        chunks = chunks_of(shards, start=(1, skip), epochs=2)
        positions = np.concatenate([chunk.positions for chunk in chunks])
        np.testing.assert_array_equal(positions, np.arange(skip, sum(SIZES)))


@pytest.mark.parametrize('skip', [0, 4, 18])
def test_epochs_are_filled_up_to_whole_batches(shards, skip):
    total = sum(SIZES)
    chunks = chunks_of(shards, start=(0, skip), epochs=3, batch_size=4)
    masks = np.concatenate([chunk.mask for chunk in chunks])
    epochs = np.concatenate([chunk.epochs for chunk in chunks])
    assert [int((masks[epochs == at]).sum()) for at in range(3)] == [total - skip, total, total]
    assert all((epochs == at).sum() % 4 == 0 for at in range(3))
    for at in range(0, len(epochs), 4):
        assert len(set(epochs[at : at + 4])) == 1


def test_shuffled_examples_come_from_the_whole_group(shards):
    """Not from a window: the first half of a group's stream holds its last examples as well."""
    indices = [index for _, index in stream(shards, epochs=12)]
    assert len(set(indices[:: sum(SIZES)])) > 6


def test_all_permutations_are_as_likely(tmp_path):
    """First places by example, over many epochs; neighbouring epochs are not alike."""
    size, epochs = 10, 1500
    path = str(tmp_path / 'one.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(size):
            writer.write(b'')
    chunks = shuffling.chunks([(path, size)], seed=3, epochs=epochs, group_examples=size)
    found = np.concatenate([chunk.indices for chunk in chunks]).reshape(epochs, size)
    for place in (0, 4, 9):
        counts = np.bincount(found[:, place], minlength=size)
        assert ((counts - epochs / size) ** 2 / (epochs / size)).sum() < 28  # 9 degrees, 0.1 %
        alike = np.corrcoef(found[:-1, place], found[1:, place])[0, 1]
        assert abs(alike) * np.sqrt(epochs) < 3.5


@pytest.mark.parametrize('wrong', [-1, 1])
def test_a_shard_of_another_length_is_noticed(shards, wrong):
    shards[2] = (shards[2][0], SIZES[2] + wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match='manifest'):
        epoch_of(shards)


def test_file_order(shards):
    assert epoch_of(shards, reshuffle=False) == list(range(sum(SIZES)))


def test_what_cannot_be_read_is_empty_where_that_is_tolerated(shards):
    path, size = shards[1]
    with open(path, 'r+b') as file:  # a record has 16 bytes of frame and one or two of number
        file.seek(17 * 3 + 12)
        file.write(b'\xff')
    with pytest.raises(tf.errors.DataLossError):
        epoch_of(shards)
    chunks = chunks_of(shards, reshuffle=False, tolerant=True)
    records = np.concatenate([chunk.records for chunk in chunks])
    indices = np.concatenate([chunk.indices for chunk in chunks])
    np.testing.assert_array_equal(indices, np.arange(sum(SIZES)))
    lost = range(SIZES[0] + 3, SIZES[0] + size)
    assert [at for at, record in enumerate(records) if record == b''] == list(lost)


def test_a_thousand_shards_take_little_memory(tmp_path):
    """Only the shards of the group under way are opened."""
    path = str(tmp_path / 'one.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(3):
            writer.write(b'0')
    shards = [(path, 3)] + [(str(tmp_path / f'none-{at}'), 3) for at in range(999)]
    first = next(iter(shuffling.chunks(shards, reshuffle=False, group_examples=3)))
    assert len(first.records) == 3
