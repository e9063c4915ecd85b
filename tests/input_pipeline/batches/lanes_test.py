"""Lanes: any number of readers has the same batches, and each reads only its share."""

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
BATCHES = 4  # the last one has rows of the longer lanes alone


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
    settings = {'seed': 1, 'group_examples': 8, 'batch_size': BATCH, 'lanes': LANES, **attributes}
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


@pytest.mark.parametrize(
    ('workers', 'read_by', 'start'), [(4, (2, 3), (0, 3)), (2, (0, 1), (1, 1))]
)
def test_any_number_of_workers_resumes_at_any_batch(shards, whole, workers, read_by, start):
    """Row for row, also what fills up the last batch."""
    epoch, batch = start
    rows = whole.reshape(-1, workers, BATCH // workers, 4)[epoch * BATCHES + batch :]
    for worker in read_by:
        share = read(shards, start=(epoch, batch * BATCH), share=(worker, workers))
        np.testing.assert_array_equal(share, rows[:, worker].reshape(-1, 4))


def test_the_bytes_of_a_share_are_those_of_its_records(shards):
    counter = lanes_lib.create_counter()
    read(shards, epochs=1, share=(1, 2), bytes_read=counter)
    frames = [16 + 1 + index for index in range(TOTAL)]
    assert int(counter) == sum(frames[13:])


def test_a_shard_of_another_length_is_noticed_in_a_lane(shards):
    wrong = [(path, size - (number == 1)) for number, (path, size) in enumerate(shards)]
    with pytest.raises(tf.errors.InvalidArgumentError, match='manifest'):
        read(wrong, epochs=1)


def test_what_a_damaged_shard_lacks_is_empty_and_keeps_its_place_in_the_order(shards, tmp_path):
    """Without reshuffle, each lane has the order of the files."""
    path = tmp_path / 'damaged.tfrecord'
    content = bytearray(pathlib.Path(shards[3][0]).read_bytes())
    second = 16 + 1 + 15
    content[second : second + 4] = b'\xff' * 4  # the length of the record
    path.write_bytes(content)
    reader = shuffling.EpochReader(
        [*shards[:3], (str(path), SIZES[3])],
        batch_size=BATCH,
        lanes=LANES,
        reshuffle=False,
        tolerant=True,
    )
    chunks = list(reader.read_chunks())
    records, indices, masks = (
        np.concatenate([chunk[part] for chunk in chunks]) for part in (0, 1, 4)
    )
    counted = masks.reshape(BATCHES, LANES, ROWS).swapaxes(0, 1).reshape(-1) == 1
    by_lane = indices.reshape(BATCHES, LANES, ROWS).swapaxes(0, 1).reshape(-1)
    assert by_lane[counted].tolist() == list(range(TOTAL))
    empty = {index for index, record in zip(indices, records, strict=True) if not record}
    assert empty == set(range(16, TOTAL))
