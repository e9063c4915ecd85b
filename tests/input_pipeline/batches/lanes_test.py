"""Lanes: any number of readers has the same batches, of which each reads only its share."""

import itertools
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline.batches import lanes as lanes_lib
from input_pipeline.batches import shuffling

SIZES = (5, 7, 3, 11)
TOTAL = sum(SIZES)  # 26: lanes of 6 or 7
LANES, BATCH = 4, 8
ROWS = BATCH // LANES
BATCHES = 4  # of which the last one has rows of the longer lanes alone


@pytest.fixture(scope='module')
def shards(tmp_path_factory):
    """Records of 1 to 26 bytes, which begin with the byte of their index."""
    directory, shards, index = tmp_path_factory.mktemp('records'), [], 0
    for number, size in enumerate(SIZES):
        path = str(directory / f'{number}.tfrecord')
        with tf.io.TFRecordWriter(path) as writer:
            for _ in range(size):
                writer.write(bytes([index]) + b'x' * index)
                index += 1
        shards.append((path, size))
    return shards


def read(shards, *, start=(0, 0), epochs=3, **attributes):
    """(epoch, index, position, mask) of every row."""
    settings = {'seed': 1, 'group_examples': 4, 'batch_size': BATCH, 'lanes': LANES, **attributes}
    reader = shuffling.EpochReader(shards, **settings)
    chunks = [
        [part.numpy() for part in chunk] for chunk in reader.read_chunks(start=start, epochs=epochs)
    ]
    records, indices, epochs, positions, masks, _ = (
        np.concatenate(parts) for parts in zip(*chunks, strict=True)
    )
    assert [record[0] for record in records] == indices.tolist()
    return np.stack([epochs, indices, positions, masks.astype(np.int64)], 1)


@pytest.fixture(scope='module')
def whole(shards):
    """Three epochs of batches: (epochs, batches, rows, 4)."""
    return read(shards).reshape(3, BATCHES, BATCH, 4)


def test_a_lane_is_a_run_of_records_that_may_cut_shards(shards):
    paths, offsets, limits, indices, sizes, splits = lanes_lib.divide(shards, LANES, (1, 2))
    assert splits.tolist() == [0, 2, 4]  # records 6 to 13, and 13 to 19
    assert [os.path.basename(path) for path in paths] == [f'{n}.tfrecord' for n in (1, 2, 2, 3)]
    assert indices.tolist() == [6, 12, 13, 15]
    assert sizes.tolist() == [6, 1, 2, 4]
    assert limits.tolist() == [7, 1, 3, 4]  # one more where the file should end
    lengths = [16 + 1 + index for index in range(TOTAL)]
    assert offsets.tolist() == [lengths[5], 0, lengths[12], 0]


def test_an_epoch_has_each_example_once_and_every_batch_rows_of_all_lanes(whole):
    bounds = [lane * TOTAL // LANES for lane in range(LANES + 1)]
    assert (whole[..., 0] == np.arange(3)[:, None, None]).all()
    for epoch in whole.reshape(3, -1, 4):
        np.testing.assert_array_equal(epoch[:, 2], np.arange(BATCHES * BATCH))
        assert sorted(epoch[epoch[:, 3] == 1, 1]) == list(range(TOTAL))
    for lane, (begin, end) in enumerate(itertools.pairwise(bounds)):
        rows = whole[:, :, lane * ROWS : (lane + 1) * ROWS].reshape(3, -1, 4)
        assert ((begin <= rows[..., 1]) & (rows[..., 1] < end)).all()
        assert (rows[..., 3] == (np.arange(BATCHES * ROWS) < end - begin)).all()
        assert len({tuple(order) for order in rows[..., 1]}) == 3


@pytest.mark.parametrize(('workers', 'start'), [(2, (0, 0)), (4, (1, 3)), (1, (2, 2)), (2, (1, 1))])
def test_any_number_of_workers_resumes_at_any_batch(shards, whole, workers, start):
    """Row for row, also what fills up the last batch."""
    epoch, batch = start
    expected = whole.reshape(-1, BATCH, 4)[epoch * BATCHES + batch :]
    shares = [
        read(shards, start=(epoch, batch * BATCH), share=(worker, workers)).reshape(
            len(expected), BATCH // workers, 4
        )
        for worker in range(workers)
    ]
    np.testing.assert_array_equal(np.concatenate(shares, 1), expected)


def test_without_reshuffle_each_lane_has_the_order_of_the_files(shards):
    rows = read(shards, epochs=1, reshuffle=False).reshape(BATCHES, LANES, ROWS, 4)
    for lane in range(LANES):
        of_lane = rows[:, lane].reshape(-1, 4)
        counted = of_lane[of_lane[:, 3] == 1, 1].tolist()
        assert counted == list(range(lane * TOTAL // LANES, (lane + 1) * TOTAL // LANES))


def test_the_bytes_of_a_share_are_those_of_its_records(shards):
    counts = []
    for worker in range(2):
        counter = tf.Variable(0, dtype=tf.int64)
        read(shards, epochs=2, share=(worker, 2), bytes_read=counter)
        counts.append(int(counter))
    frames = [16 + 1 + index for index in range(TOTAL)]
    assert counts == [2 * sum(frames[:13]), 2 * sum(frames[13:])]
    assert sum(counts) == 2 * sum(os.path.getsize(path) for path, _ in shards)


@pytest.mark.parametrize('shard', [1, 3])
def test_a_shard_of_another_length_is_noticed_in_a_lane(shards, shard):
    wrong = [(path, size - (number == shard)) for number, (path, size) in enumerate(shards)]
    with pytest.raises(tf.errors.InvalidArgumentError, match='manifest'):
        read(wrong, epochs=1)


def test_what_a_damaged_shard_lacks_is_empty_in_its_lanes(shards, tmp_path):
    path = tmp_path / 'damaged.tfrecord'
    content = bytearray(pathlib.Path(shards[3][0]).read_bytes())
    content[16 + 16 : 16 + 16 + 4] = b'\xff' * 4  # the length of the second record
    path.write_bytes(content)
    damaged = [*shards[:3], (str(path), SIZES[3])]
    reader = shuffling.EpochReader(
        damaged, batch_size=BATCH, lanes=LANES, reshuffle=False, tolerant=True
    )
    records = {
        int(index): record
        for chunk in reader.read_chunks()
        for index, record in zip(chunk.indices.numpy(), chunk.records.numpy(), strict=True)
    }
    assert sorted(records) == list(range(TOTAL))
    assert [index for index, record in records.items() if not record]
