"""A real dispatcher and two workers on this machine: the batches of one process, in order."""

import dataclasses
import itertools

import numpy as np
import pytest

from input_pipeline.batches import augmentation, data_service, datasets, lane_service
from input_pipeline.records import manifests

BATCH, LANES = 8, 4


@pytest.fixture(scope='module')
def dataset(prepare_folder, shared_folder, tmp_path_factory):
    """Batches whose neighbours share crops, three an epoch and a rest."""
    directory = tmp_path_factory.mktemp('records')
    manifest = prepare_folder(shared_folder, directory, held_out=0.2, shard_examples=7)
    settings = augmentation.AugmentationSettings(crop_size=32, colour_shift_sd=0.1, crop_chunk=3)
    augment = augmentation.Augmentation(manifests.load_statistics(manifest), settings)
    shards = manifest.list_shards('train')
    dataset = datasets.TrainingDataset(shards, manifest.layout, augment, BATCH, lanes=LANES)
    assert dataset.num_examples % BATCH
    return dataset


@pytest.fixture
def service(monkeypatch):
    """A dispatcher, and its workers; jobs are of two lanes."""
    monkeypatch.setattr(lane_service, '_MOST_JOBS', 2)
    dispatcher = data_service.start_dispatcher(0)
    host_and_port = dispatcher.target.removeprefix('grpc://')
    workers = [data_service.start_worker(host_and_port, 'localhost', 0)]
    yield dispatcher.target, workers
    for worker in workers:
        worker._stop()
    dispatcher._stop()


def to_numpy(batches):
    return [tuple(part.numpy() for part in batch) for batch in batches]


def check_equal(served, expected):
    for batch, expected_batch in zip(served, expected, strict=True):
        for part, expected_part in zip(batch, expected_batch, strict=True):
            np.testing.assert_array_equal(part, expected_part)


def test_the_batches_are_those_of_one_process_from_any_batch_on(dataset, service):
    served = lane_service.iterate_batches(dataset, service[0], start=(1, BATCH), epochs=2)
    expected = to_numpy(dataset.read_batches(start=(1, BATCH), epochs=2))
    assert len(expected) > 1
    check_equal(to_numpy(served), expected)


@pytest.mark.slow
def test_trainers_share_workers_and_others_decode_what_a_lost_one_leaves(
    dataset, service, monkeypatch
):
    monkeypatch.setattr(data_service, 'PATIENCE_SECS', 60.0)  # 10 seconds for another batch
    address, workers = service
    workers.append(data_service.start_worker(address.removeprefix('grpc://'), 'localhost', 0))
    half = BATCH // 2
    shares = [dataclasses.replace(dataset, share=(trainer, 2)) for trainer in range(2)]
    both = [
        lane_service.iterate_batches(share, address, start=(0, 0), epochs=3) for share in shares
    ]
    first = [to_numpy(itertools.islice(served, 2)) for served in both]
    workers.pop()._stop()
    for trainer, served in enumerate(both):
        rows = slice(trainer * half, (trainer + 1) * half)
        expected = [
            [part[rows].numpy() for part in batch] for batch in dataset.read_batches(epochs=3)
        ]
        check_equal(first[trainer] + to_numpy(served), expected)
