"""A real dispatcher and two workers on this machine: each example once an epoch."""

import collections

import numpy as np
import pytest

from input_pipeline import errors
from input_pipeline.batches import augmentation, data_service, datasets
from input_pipeline.prepare import conversion
from input_pipeline.records import manifests
from input_pipeline.sources import folder as folders


@pytest.fixture(scope='module')
def stream(shared_folder, tmp_path_factory):
    found = folders.find(str(shared_folder), validation_fraction=0.2)
    settings = {'record_encoding': 'jpeg', 'shard_examples': 4, 'seed': 0}
    directory = str(tmp_path_factory.mktemp('records'))
    manifest = conversion.prepare(
        found, directory, settings=settings, max_bad_fraction=0, report=lambda *_: None
    )
    made = manifests.statistics(manifest)
    augment = augmentation.Augmentation(
        made['mean_image'], made['eigenvalues'], made['eigenvectors'], crop_size=64, shift_sd=0.1
    )
    return datasets.Training(manifest.shards('train'), manifest.layout, augment, 5)


@pytest.fixture(scope='module')
def address():
    dispatcher = data_service.dispatcher(0)
    where = dispatcher.target.removeprefix('grpc://')
    workers = [data_service.worker(where, 'localhost', 0) for _ in range(2)]
    yield dispatcher.target
    for each in workers:
        each._stop()
    dispatcher._stop()


def examples(batches):
    """How often each image came, by its bytes; and the size of every batch."""
    found, sizes = collections.Counter(), []
    for images, _, mask in batches:
        sizes.append(len(mask))
        for image, counts in zip(images.numpy(), mask.numpy(), strict=True):
            if counts:
                found[image.tobytes()] += 1
    return found, sizes


def test_each_example_once_an_epoch_and_as_without_a_service(stream, address):
    total = sum(number for _, number in stream.shards)
    served = list(data_service.batches(stream, address, start_epoch=1, epochs=3))
    alone = list(stream.batches(start=(1, 0), epochs=3))
    assert len(served) == len(alone)
    half = len(alone) // 2
    for epoch in (slice(half), slice(half, None)):  # they follow each other
        found, sizes = examples(served[epoch])
        expected, expected_sizes = examples(alone[epoch])
        assert found == expected
        assert sum(found.values()) == total
        assert sizes == expected_sizes
        # Only an epoch's last batch is filled up.
        assert np.concatenate([mask for *_, mask in served[epoch]])[:total].all()


def test_nothing_that_comes_is_not_waited_for_for_ever(stream, monkeypatch):
    """A dispatcher without workers; and one that goes away."""
    lonely = data_service.dispatcher(0)
    monkeypatch.setattr(data_service, 'PATIENCE_SECS', 2.0)
    served = data_service.batches(stream, lonely.target, start_epoch=0, epochs=1)
    with pytest.raises(errors.DataError, match=r'no batch for 2 seconds. Are there workers'):
        next(served)
    monkeypatch.setattr(data_service, 'PATIENCE_SECS', 60.0)
    asked = []
    served = data_service.batches(
        stream,
        lonely.target,
        start_epoch=0,
        epochs=1,
        cancelled=lambda: asked.append(1) or len(asked) > 2,
    )
    assert next(served, 'over') == 'over'
    lonely._stop()
    with pytest.raises(errors.DataError, match='no dispatcher answers'):
        next(data_service.batches(stream, lonely.target, start_epoch=0, epochs=1))


def test_a_port_is_looked_for_where_there_is_no_ipv6(monkeypatch):
    monkeypatch.setattr(data_service.socket, 'has_dualstack_ipv6', lambda: False)
    with data_service.socket.create_server(('', 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.DataError, match=f'--service_port={port}: it cannot be had'):
            data_service._check_free(port)
    data_service._check_free(port)


def test_a_port_is_taken_once():
    first = data_service.dispatcher(0)
    port = int(first.target.rpartition(':')[2])
    with pytest.raises(errors.DataError, match=f'--service_port={port}: it cannot be had'):
        data_service.dispatcher(port)
    with pytest.raises(errors.DataError, match='--service_dispatcher=localhost:1: no dispatcher'):
        data_service.worker('localhost:1', 'localhost', 0)
    first._stop()


@pytest.mark.parametrize('wrong', ['grpc://localhost:1', 'nonsense', 'grpc://localhost'])
def test_an_address_that_nobody_answers_at(stream, wrong):
    with pytest.raises(errors.DataError, match=r'no dispatcher answers.*grpc://HOST:PORT'):
        next(data_service.batches(stream, wrong, start_epoch=0, epochs=1))
