"""Decodes lanes on other machines: the same batches, whichever machine decodes which lane.

A job is some lanes of an epoch, which the service gives to one worker to decode in order. If a
worker is lost, its lanes stop; then all lanes are reopened from the position reached, and other
workers decode them.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from input_pipeline.batches import data_service, datasets, shuffling

_MOST_JOBS = 16  # at a time: every worker needs some tenths of a second for each
_MOST_OPENINGS = 2  # in a row without a batch
_FIRST_SHARE, _SHARE = 1, 1 / 6  # of PATIENCE_SECS; at first every lane reads a group of records
_LEAST_ROWS = 8  # decoded at a time
# Chunks of a job that are under way. A request to a worker that hangs is one of them, too.
_OUTSTANDING = 4

ReadLanes = Callable[[tf.Tensor], tf.data.Dataset]


def iterate_batches(
    dataset: datasets.TrainingDataset,
    address: str,
    *,
    start: tuple[int, int],
    epochs: int,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """Iterates over a data set's batches, decoded by the workers behind a dispatcher.

    Args:
        dataset: What to read.
        address: The dispatcher, 'grpc://host:port'.
        start: The first epoch, and the number of its examples that were already read.
        epochs: Number of the last epoch, plus one.
        is_cancelled: Called while it waits; True ends the iteration.

    Yields:
        The batches of `TrainingDataset.read_batches`, to the bit.

    Raises:
        DataError: No dispatcher answers, or no batch comes although the lanes were opened again.
        tf.errors.OpError: A worker could not read a record, twice.
    """
    read_lanes, openings = _trace(dataset), 0
    patience = [share * data_service.PATIENCE_SECS for share in (_FIRST_SHARE, _SHARE)]
    epoch, examples = start
    while epoch < epochs:
        is_lost = openings > 0 or (epoch, examples) != start
        data_service.check_address(address, '--data_service', is_lost=is_lost)
        opened = _open_lanes(dataset, read_lanes, address, (epoch, examples))
        openings += 1
        try:
            for positions, batch in data_service.poll(opened, address, is_cancelled, *patience):
                if not _is_next_batch(dataset, positions.numpy(), examples):
                    break  # an answer of a worker was lost
                yield batch
                examples, openings = examples + dataset.batch_size, 0
            if is_cancelled():
                return
            if examples < dataset.num_examples:
                raise data_service.Stalled(
                    f'--data_service={address}: examples were lost on the way. Run the same '
                    'command again: it resumes from the last checkpoint.'
                )
        except (data_service.Stalled, tf.errors.OpError):
            if openings == _MOST_OPENINGS:
                raise
        if examples >= dataset.num_examples:
            epoch, examples = epoch + 1, 0


def _count_jobs(dataset: datasets.TrainingDataset) -> int:
    """Counts the jobs of this share of the lanes; all have the same number of lanes."""
    lanes = dataset.lanes // dataset.share[1]
    return max(jobs for jobs in range(1, _MOST_JOBS + 1) if lanes % jobs == 0)


def _trace(dataset: datasets.TrainingDataset) -> ReadLanes:
    """Returns a function that reads the crops of a job's lanes, traced once, which takes a second.

    The function takes rows of `shuffling.EpochReader.list_places` and returns a data set of chunks:
    the examples' positions in the epoch, then the elements of `TrainingDataset.read_crops`.
    """
    remote, specs = dataclasses.replace(dataset, bytes_read=None, in_place=False), []
    lanes = dataset.lanes // dataset.share[1] // _count_jobs(dataset)
    rows = lanes * dataset.batch_size // dataset.lanes
    chunk_rows = min(max(rows, _LEAST_ROWS), shuffling.CHUNK)

    @tf.autograph.experimental.do_not_convert
    def cut(chunk):
        return chunk.positions, *remote.cut(chunk)

    @tf.function(input_signature=[tf.TensorSpec([lanes, 5], tf.int64)], autograph=False)
    def read_lanes(places):
        chunks = remote.reader.read_lanes(places).rebatch(chunk_rows)
        crops = chunks.map(cut, num_parallel_calls=tf.data.AUTOTUNE)
        specs.append(crops.element_spec)
        return tf.data.experimental.to_variant(crops)

    read_lanes.get_concrete_function()

    @tf.autograph.experimental.do_not_convert
    def read(places):
        return tf.data.experimental.from_variant(read_lanes(places), specs[0])

    return read


def _open_lanes(
    dataset: datasets.TrainingDataset, read_lanes: ReadLanes, address: str, start: tuple[int, int]
) -> tf.data.Dataset:
    """Opens the rest of an epoch: (positions of a batch's rows, batch) for each batch."""
    jobs = np.split(dataset.reader.list_places(start, start[0] + 1), _count_jobs(dataset))
    batch_rows = dataset.batch_size // dataset.share[1]

    def open_job(places):
        # The service gives the only element to one worker.
        crops = tf.data.Dataset.from_tensors(places).flat_map(read_lanes)
        served = data_service.distribute(crops, address, max_outstanding_requests=_OUTSTANDING)
        return served.rebatch(batch_rows // len(jobs)).prefetch(1)

    @tf.autograph.experimental.do_not_convert
    def join(*parts):
        positions, *crops = (
            tf.ensure_shape(tf.concat(column, 0), [batch_rows, *column[0].shape[1:]])
            for column in zip(*parts, strict=True)
        )
        return positions, dataset.finish(*crops)

    # Stops at the last batch: the job of a lost worker never ends.
    batches = -(-(dataset.num_examples - start[1]) // dataset.batch_size)
    options = tf.data.Options()
    options.experimental_warm_start = True  # open all jobs at once
    opened = tf.data.Dataset.zip(*map(open_job, jobs)).take(batches)
    return opened.map(join, num_parallel_calls=2).with_options(options)


def _is_next_batch(dataset: datasets.TrainingDataset, positions: np.ndarray, examples: int) -> bool:
    """Returns whether rows are those of the batch after some examples of an epoch."""
    first = examples + dataset.share[0] * len(positions)
    return np.array_equal(positions, np.arange(first, first + len(positions)))
