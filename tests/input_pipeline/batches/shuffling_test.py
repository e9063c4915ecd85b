"""Order as a function of (seed, epoch), resumed at every position."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import shuffling

SIZES = (5, 7, 3, 6)
TOTAL = sum(SIZES)
GROUP = 14  # examples: two shards a group


@pytest.fixture
def shards(tmp_path):
    paths, index = [], 0
    for number, size in enumerate(SIZES):
        path = str(tmp_path / f'{number}.tfrecord')
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(size):
                writer.write(str(index).encode())
                index += 1
        paths.append((path, size))
    return paths


def read_chunks(shards, *, start=(0, 0), epochs=1, **attributes):
    reader = shuffling.EpochReader(shards, **{'seed': 1, 'group_examples': GROUP, **attributes})
    return list(reader.read_chunks(start=start, epochs=epochs))


def read_stream(shards, **arguments):
    """(epoch, index) of every example that counts."""
    examples, positions = [], []
    for chunk in read_chunks(shards, **arguments):
        positions += zip(chunk.epochs.numpy(), chunk.positions.numpy(), strict=True)
        assert [int(record) for record in chunk.records.numpy()] == list(chunk.indices.numpy())
        rows = zip(*(part.numpy() for part in chunk), strict=True)
        examples += [(epoch, index) for _, index, epoch, _, mask, _ in rows if mask]
    for before, after in itertools.pairwise(positions):
        assert after in ((before[0], before[1] + 1), (before[0] + 1, 0))
    return examples


def read_epoch(shards, seed=1, epoch=0, **attributes):
    """The indices of an epoch's examples."""
    stream = read_stream(shards, seed=seed, start=(epoch, 0), epochs=epoch + 1, **attributes)
    return [index for _, index in stream]


def test_seed_and_epoch_decide_the_order(shards):
    streams = [read_stream(shards, seed=seed, epochs=2) for seed in (1, 2)]
    orders = {
        tuple(index for at, index in stream if at == epoch)
        for stream in streams
        for epoch in (0, 1)
    }
    assert len(orders) == 4


@pytest.mark.parametrize('reshuffle', [True, False])
def test_reading_resumes_at_every_position(shards, reshuffle):
    whole = read_stream(shards, start=(2, 0), epochs=5, reshuffle=reshuffle)
    assert [epoch for epoch, _ in whole] == [2] * TOTAL + [3] * TOTAL + [4] * TOTAL
    # Around the ends of shards, groups and an epoch.
    for skipped in (1, 5, 13, 14, TOTAL) if reshuffle else (4, 14):
        resumed = read_stream(shards, start=(3, skipped), epochs=5, reshuffle=reshuffle)
        assert resumed == whole[TOTAL + skipped :]


@pytest.mark.parametrize('skipped', [0, 4, 18])
def test_epochs_are_filled_up_to_whole_batches(shards, skipped):
    chunks = read_chunks(shards, start=(0, skipped), epochs=3, batch_size=4)
    masks = np.concatenate([chunk.mask for chunk in chunks])
    epochs = np.concatenate([chunk.epochs for chunk in chunks])
    counts = [int(masks[epochs == epoch].sum()) for epoch in range(3)]
    assert counts == [TOTAL - skipped, TOTAL, TOTAL]
    assert all((epochs == epoch).sum() % 4 == 0 for epoch in range(3))
    for first in range(0, len(epochs), 4):
        assert len(set(epochs[first : first + 4])) == 1
    indices = np.concatenate([chunk.indices for chunk in chunks])
    for epoch in range(3):  # batch normalisation would see copies of one
        added = indices[(epochs == epoch) & (masks == 0)]
        assert len(set(added)) == len(added)


@pytest.mark.parametrize('lanes', [1, 2])
def test_all_permutations_are_equally_likely(tmp_path, lanes):
    """Positions in a lane by example, over many epochs; epochs and lanes are not alike."""
    size, epochs = 10, 500
    path = str(tmp_path / 'one.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(lanes * size):
            writer.write(b'')
    chunks = read_chunks(
        [(path, lanes * size)],
        seed=3,
        epochs=epochs,
        group_examples=size,
        batch_size=lanes * size,
        lanes=lanes,
    )
    orders = np.concatenate([chunk.indices for chunk in chunks]).reshape(epochs, lanes, size)
    for position in (0, 4, 9):
        firsts = orders[:, :, position] - size * np.arange(lanes)
        for of_lane in firsts.T:
            counts = np.bincount(of_lane, minlength=size)
            assert ((counts - epochs / size) ** 2 / (epochs / size)).sum() < 28  # 9 degrees, 0.1 %
            assert abs(np.corrcoef(of_lane[:-1], of_lane[1:])[0, 1]) * np.sqrt(epochs) < 3.5
        between_lanes = np.corrcoef(firsts[:, 0], np.roll(firsts, 1, axis=1)[:, 0])[0, 1]
        assert lanes == 1 or abs(between_lanes) * np.sqrt(epochs) < 3.5


@pytest.mark.parametrize('difference', [-1, 1])
def test_a_shard_of_another_length_is_noticed(shards, difference):
    shards[2] = (shards[2][0], SIZES[2] + difference)
    with pytest.raises(tf.errors.InvalidArgumentError, match='manifest'):
        read_epoch(shards)


def test_without_reshuffle_the_order_is_that_of_the_files(shards):
    assert read_epoch(shards, reshuffle=False) == list(range(TOTAL))


def test_tolerated_unreadable_records_are_empty(shards):
    path, size = shards[1]
    with open(path, 'r+b') as file:  # a record is 16 bytes of frame and one or two digits
        file.seek(17 * 3 + 12)
        file.write(b'\xff')
    with pytest.raises(tf.errors.DataLossError):
        read_epoch(shards)
    chunks = read_chunks(shards, reshuffle=False, tolerant=True)
    records = np.concatenate([chunk.records for chunk in chunks])
    indices = np.concatenate([chunk.indices for chunk in chunks])
    np.testing.assert_array_equal(indices, np.arange(TOTAL))
    lost = range(SIZES[0] + 3, SIZES[0] + size)
    assert [index for index, record in enumerate(records) if record == b''] == list(lost)


def test_only_the_shards_of_the_current_groups_are_opened(tmp_path):
    path = str(tmp_path / 'one.tfrecord')
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(3):
            writer.write(b'0')
    missing = [(str(tmp_path / f'missing-{number}'), 3) for number in range(999)]
    reader = shuffling.EpochReader([(path, 3), *missing], reshuffle=False, group_examples=3)
    assert len(next(iter(reader.read_chunks())).records) == 3


BALANCED = np.repeat([2, 0, 4], [3, 14, 4])  # 7 draws of each; no image of classes 1 and 3


def test_balanced_epochs_draw_every_class_equally_often_and_resume(shards):
    arguments = {'epochs': 5, 'balanced_labels': BALANCED, 'batch_size': 4}
    whole = read_stream(shards, start=(2, 0), **arguments)
    assert [epoch for epoch, _ in whole] == np.repeat([2, 3, 4], TOTAL).tolist()
    for epoch in (2, 3, 4):
        drawn = [BALANCED[index] for number, index in whole if number == epoch]
        assert np.bincount(drawn).tolist() == [7, 0, 7, 0, 7]
    for skipped in (4, 16):
        resumed = read_stream(shards, start=(3, skipped), **arguments)
        assert resumed == whole[TOTAL + skipped :]


def test_copies_of_an_example_are_counted_and_workers_share_the_balanced_batches(shards):
    arguments = {'balanced_labels': BALANCED, 'batch_size': 6}
    whole, *shares = (
        [
            np.concatenate(parts)
            for parts in zip(*read_chunks(shards, share=share, **arguments), strict=True)
        ]
        for share in ((0, 1), (0, 2), (1, 2))
    )
    indices, copies = whole[1], whole[5]
    for index in range(TOTAL):
        drawn = (indices == index) & (whole[4] > 0)
        assert sorted(copies[drawn]) == list(range(drawn.sum()))
    assert copies.max() >= 2  # 7 draws of 3 images
    for worker, share in enumerate(shares):
        for part, shared in zip(whole, share, strict=True):
            of_worker = part.reshape(-1, 2, 3)[:, worker]
            np.testing.assert_array_equal(of_worker.ravel(), shared)


def test_a_group_of_which_nothing_is_drawn_is_passed(tmp_path):
    """If it is the last group, its first record fills up the epoch's last batch."""
    paths = [(str(tmp_path / f'{number}.tfrecord'), size) for number, size in enumerate((9, 1))]
    for path, size in paths:
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(size):
                writer.write(b'')
    labels = np.array([0] + [7] * 9)  # 5 draws of each
    chunks = read_chunks(paths, balanced_labels=labels, batch_size=4, group_examples=1, epochs=8)
    _, indices, epochs, _, masks, _ = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    passed = 0
    for epoch in range(8):
        drawn = indices[(epochs == epoch) & (masks == 1)]
        filling = indices[(epochs == epoch) & (masks == 0)]
        assert np.bincount(labels[drawn], minlength=8).tolist() == [5, 0, 0, 0, 0, 0, 0, 5]
        assert len(filling) == 2
        passed += 9 in filling and 9 not in drawn
    assert passed


def mix_bits(x):
    """The finaliser of SplitMix64, in Python's integers."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = ((x ^ (x >> shift)) * factor) % 2**64
    return x ^ (x >> 31)


def permute(size, *parts):
    """A permutation by TensorFlow's own shuffle, with a key that depends on all parts."""

    def make_key(*parts):
        value = 0
        for part in parts:
            value = mix_bits((value + part + 0x9E3779B97F4A7C15) % 2**64)
        return value

    seeds = tf.constant(np.array([make_key(*parts, half) for half in (0, 1)], np.uint64))
    rows = tf.range(size, dtype=tf.int64)
    largest = tf.constant(size - 1, tf.int64)
    return tf.random.experimental.index_shuffle(rows, seeds, largest).numpy()


@pytest.mark.parametrize('epoch', [0, 2])
def test_the_order_is_that_of_earlier_versions(shards, epoch):
    """A run that an earlier version began would otherwise see some images twice."""
    first, expected, order = np.cumsum((0, *SIZES)), [], permute(4, 1, epoch)
    for group in (0, 1):  # two shards each
        parts = order[2 * group :][:2]
        rows = np.concatenate([np.arange(first[part], first[part + 1]) for part in parts])
        expected += rows[permute(len(rows), 1, (epoch + 1) * 4 + group)].tolist()
    assert read_epoch(shards, 1, epoch) == expected
