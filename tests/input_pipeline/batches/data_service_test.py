"""A real dispatcher and two workers on this machine: each example once an epoch."""

import collections
import types

import numpy as np
import pytest
import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import augmentation, data_service, datasets
from input_pipeline.records import manifests


@pytest.fixture(scope='module')
def dataset(prepare_folder, shared_folder, tmp_path_factory):
    directory = tmp_path_factory.mktemp('records')
    manifest = prepare_folder(shared_folder, directory, held_out=0.2, shard_examples=4)
    settings = augmentation.AugmentationSettings(crop_size=64, colour_shift_sd=0.1)
    augment = augmentation.Augmentation(manifests.load_statistics(manifest), settings)
    return datasets.TrainingDataset(manifest.list_shards('train'), manifest.layout, augment, 5)


@pytest.fixture(scope='module')
def address():
    dispatcher = data_service.start_dispatcher(0)
    host_and_port = dispatcher.target.removeprefix('grpc://')
    workers = [data_service.start_worker(host_and_port, 'localhost', 0) for _ in range(2)]
    yield dispatcher.target
    for worker in workers:
        worker._stop()
    dispatcher._stop()


def count_examples(batches):
    """How often each image came, by its bytes; and the size of every batch."""
    images_seen, sizes = collections.Counter(), []
    for images, _, mask in batches:
        sizes.append(len(mask))
        for image, counts in zip(images.numpy(), mask.numpy(), strict=True):
            if counts:
                images_seen[image.tobytes()] += 1
    return images_seen, sizes


def test_each_example_comes_once_an_epoch_and_as_without_a_service(dataset, address):
    total = sum(number for _, number in dataset.shards)
    served = list(data_service.iterate_batches(dataset, address, start=(1, 0), epochs=3))
    local = list(dataset.read_batches(start=(1, 0), epochs=3))
    assert len(served) == len(local)
    half = len(local) // 2
    for epoch in (slice(half), slice(half, None)):  # batches of one epoch, then of the next
        images, sizes = count_examples(served[epoch])
        expected_images, expected_sizes = count_examples(local[epoch])
        assert images == expected_images
        assert sum(images.values()) == total
        assert sizes == expected_sizes
        # Only an epoch's last batch is filled up.
        assert np.concatenate([mask for *_, mask in served[epoch]])[:total].all()


def test_waiting_for_batches_ends(dataset, monkeypatch):
    """With an error without workers or dispatcher, quietly when it is cancelled."""
    lonely = data_service.start_dispatcher(0)
    monkeypatch.setattr(data_service, 'PATIENCE_SECS', 2.0)
    served = data_service.iterate_batches(dataset, lonely.target, start=(0, 0), epochs=1)
    with pytest.raises(data_service.Stalled, match=r'no batch for 2 seconds. Check that') as error:
        next(served)
    assert error.value.exit_code == 75  # try again
    monkeypatch.setattr(data_service, 'PATIENCE_SECS', 60.0)
    polls = []
    served = data_service.iterate_batches(
        dataset,
        lonely.target,
        start=(0, 0),
        epochs=1,
        is_cancelled=lambda: polls.append(1) or len(polls) > 2,
    )
    assert next(served, 'over') == 'over'
    lonely._stop()
    with pytest.raises(errors.DataError, match='no dispatcher answers') as error:
        next(data_service.iterate_batches(dataset, lonely.target, start=(0, 0), epochs=1))
    assert error.value.exit_code == 3
    with pytest.raises(data_service.Stalled, match='no dispatcher answers'):
        data_service.check_address(lonely.target, '--data_service', is_lost=True)


def test_a_port_in_use_is_noticed_without_ipv6(monkeypatch):
    monkeypatch.setattr(data_service.socket, 'has_dualstack_ipv6', lambda: False)
    with data_service.socket.create_server(('', 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(errors.DataError, match=f'--service_port={port}: the port is not avail'):
            data_service._check_port(port)
    data_service._check_port(port)


def test_a_port_in_use_and_a_missing_dispatcher_are_refused():
    dispatcher = data_service.start_dispatcher(0)
    port = int(dispatcher.target.rpartition(':')[2])
    with pytest.raises(errors.DataError, match=f'--service_port={port}: the port is not available'):
        data_service.start_dispatcher(port)
    with pytest.raises(errors.DataError, match='--service_dispatcher=localhost:1: no dispatcher'):
        data_service.start_worker('localhost:1', 'localhost', 0)
    dispatcher._stop()


@pytest.mark.parametrize('address', ['grpc://localhost:1', 'nonsense', 'grpc://localhost'])
def test_an_address_without_a_dispatcher_is_refused(dataset, address):
    with pytest.raises(errors.DataError, match=r'no dispatcher answers.*grpc://HOST:PORT'):
        next(data_service.iterate_batches(dataset, address, start=(0, 0), epochs=1))


def test_the_last_batch_is_filled_with_all_of_its_examples():
    """One of them alone would have no variance for batch normalisation."""
    crops = tf.data.Dataset.from_tensor_slices((tf.range(6), tf.ones(6))).batch(3)
    dataset = types.SimpleNamespace(batch_size=4, finish=lambda values, mask: (values, mask))
    *_, (number, (values, mask)) = data_service._batch(crops, dataset)
    assert (int(number), values.numpy().tolist()) == (2, [4, 5, 4, 5])
    assert mask.numpy().tolist() == [1, 1, 0, 0]
