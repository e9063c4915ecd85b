"""Decoding on other hosts: the pipeline's part before the bus, by tf.data service."""

import dataclasses
import socket
from collections.abc import Iterator

import tensorflow as tf

from input_pipeline import errors, pipeline

_SERVICE = tf.data.experimental.service
PROTOCOL = 'grpc'


def dispatcher(port: int) -> _SERVICE.DispatchServer:
    """Starts the process that shares out the work; port 0 takes a free one."""
    return _SERVICE.DispatchServer(_SERVICE.DispatcherConfig(port=port, protocol=PROTOCOL))


def worker(dispatcher_address: str, host: str, port: int) -> _SERVICE.WorkerServer:
    """Starts a process that decodes.

    Args:
        dispatcher_address: As 'host:port'.
        host: This host's name, as trainers reach it.
        port: To listen on; 0 takes a free one.
    """
    return _SERVICE.WorkerServer(
        _SERVICE.WorkerConfig(
            dispatcher_address=dispatcher_address,
            worker_address=f'{host}:{port}' if port else None,
            port=port,
            protocol=PROTOCOL,
        )
    )


def batches(
    stream: pipeline.Training, address: str, *, start_epoch: int, epochs: int
) -> Iterator[tuple]:
    """The stream's batches, cut by the workers behind `address` ('grpc://host:port').

    Every example once an epoch: workers take groups of records as they come to them, so the order
    is another each time. What a picture becomes is the same as without a service.

    Raises:
        DataError: Nobody answers there, or examples were lost.
    """
    check(address)
    total = sum(number for _, number in stream.shards)
    # A worker takes a group at a time: of a shard each, so that there are enough to go round.
    stream = dataclasses.replace(stream, group_examples=1)
    for epoch in range(start_epoch, epochs):
        crops = stream.crops(start=(epoch, 0), epochs=epoch + 1)
        there = crops.apply(
            _SERVICE.distribute(
                processing_mode=_SERVICE.ShardingPolicy.DYNAMIC,
                service=address,
                compression=None,  # pixels do not shrink
            )
        )
        came = 0
        for batch in stream.finished(there):
            came += stream.batch_size
            yield batch
        if came < total:
            raise errors.DataError(
                f'--data_service={address}: {came:,} of {total:,} examples of an epoch came: a '
                'worker went away. The same command goes on from the last checkpoint.'
            )


def check(address: str) -> None:
    """Refuses an address that nobody answers at; TensorFlow would try for an hour.

    Raises:
        DataError: As said.
    """
    host, _, port = address.removeprefix(f'{PROTOCOL}://').rpartition(':')
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise errors.DataError(
            f'--data_service={address}: no dispatcher answers ({error}). Start one with '
            '--flagfile=flags/data_service_dispatcher.cfg; the form is grpc://HOST:PORT.'
        ) from error
