"""Decoding on other hosts: the pipeline's part before the bus, by tf.data service."""

import dataclasses
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from input_pipeline import errors
from input_pipeline.batches import datasets

_SERVICE = tf.data.experimental.service
PROTOCOL = 'grpc'
PATIENCE_SECS = 120.0  # without a batch
_LOOK_SECS = 0.5
_AHEAD = 2  # batches


def dispatcher(port: int) -> _SERVICE.DispatchServer:
    """Starts the process that shares out the work; port 0 takes a free one.

    Raises:
        DataError: The port is taken.
    """
    _check_free(port)
    return _SERVICE.DispatchServer(_SERVICE.DispatcherConfig(port=port, protocol=PROTOCOL))


def worker(dispatcher_address: str, host: str, port: int) -> _SERVICE.WorkerServer:
    """Starts a process that decodes.

    Args:
        dispatcher_address: As 'host:port', with or without 'grpc://'.
        host: This host's name, as trainers reach it.
        port: To listen on; 0 takes a free one.

    Raises:
        DataError: The port is taken, or no dispatcher answers.
    """
    check(dispatcher_address, '--service_dispatcher')
    _check_free(port)
    return _SERVICE.WorkerServer(
        _SERVICE.WorkerConfig(
            dispatcher_address=dispatcher_address.removeprefix(f'{PROTOCOL}://'),
            worker_address=f'{host}:{port or "%port%"}',
            port=port,
            protocol=PROTOCOL,
        )
    )


def batches(
    stream: datasets.Training,
    address: str,
    *,
    start_epoch: int,
    epochs: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """The stream's batches, cut by the workers behind `address` ('grpc://host:port').

    Every example once an epoch: workers take groups of records as they come to them, so the order
    is another each time. What a picture becomes is the same as without a service, but for crops
    that pictures in a row share: rows are others.

    Args:
        stream: What to make.
        address: Of the dispatcher.
        start_epoch, epochs: The first epoch, and the number of the last one plus one.
        cancelled: Asked while it waits; ends the batches.

    Raises:
        DataError: Nobody answers there, nothing comes for PATIENCE_SECS, or examples were lost.
    """
    check(address, '--data_service')
    total = sum(number for _, number in stream.shards)
    # A worker takes a group at a time: of a shard each, so that there are enough to go round. Only
    # here it is known which batch is an epoch's last.
    there = dataclasses.replace(stream, group_examples=1, batch_size=1)
    for epoch in range(start_epoch, epochs):
        crops = there.crops(start=(epoch, 0), epochs=epoch + 1)
        distributed = crops.apply(
            _SERVICE.distribute(
                processing_mode=_SERVICE.ShardingPolicy.DYNAMIC,
                service=address,
                compression=None,  # pixels do not shrink
            )
        )
        came = 0
        for number, batch in _patiently(_batched(distributed, stream), address, cancelled):
            came += int(number)
            yield batch
        if cancelled():
            return
        if came != total:
            raise errors.DataError(
                f'--data_service={address}: {came:,} of {total:,} examples of an epoch came: a '
                'worker went away. The same command goes on from the last checkpoint.'
            )


def check(address: str, flag: str) -> None:
    """Refuses an address that nobody answers at; TensorFlow would try for an hour.

    Raises:
        DataError: As said; `flag` begins the message.
    """
    host, _, port = address.removeprefix(f'{PROTOCOL}://').rpartition(':')
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise errors.DataError(
            f'{flag}={address}: no dispatcher answers ({error}). Start one with '
            '--flagfile=flags/data_service_dispatcher.cfg; the form is grpc://HOST:PORT.'
        ) from error


def _check_free(port: int) -> None:
    # gRPC would share the port with whoever has it.
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        socket.create_server(('', port), family=family, dualstack_ipv6=both).close()
    except OSError as error:
        raise errors.DataError(f'--service_port={port}: it cannot be had ({error}).') from error


def _batched(crops: tf.data.Dataset, stream: datasets.Training) -> tf.data.Dataset:
    """(number of examples, finished batch): the last one filled up, with a mask of 0."""

    def finish(*parts):
        number = tf.shape(parts[-1])[0]
        places = tf.range(stream.batch_size)
        filled = [tf.gather(part, tf.minimum(places, number - 1)) for part in parts]
        *filled, mask = filled
        return number, stream.finish(*filled, tf.where(places < number, mask, 0.0))

    return crops.rebatch(stream.batch_size).map(finish, num_parallel_calls=_AHEAD)


def _patiently(dataset: tf.data.Dataset, address: str, cancelled) -> Iterator:
    """Iterates in a thread: a call that waits for the service hears no signal."""
    came: queue.Queue = queue.Queue(_AHEAD)

    def iterate():
        try:
            for each in dataset:
                came.put((each, None))
            came.put((None, None))
        except Exception as error:  # to be raised where it is heard
            came.put((None, error))

    threading.Thread(target=iterate, daemon=True).start()
    since = time.monotonic()
    while not cancelled():
        try:
            batch, error = came.get(timeout=_LOOK_SECS)
        except queue.Empty:
            check(address, '--data_service')
            if time.monotonic() - since > PATIENCE_SECS:
                raise errors.DataError(
                    f'--data_service={address}: no batch for {PATIENCE_SECS:.0f} seconds. Are '
                    'there workers, and do they see the records under the same path?'
                ) from None
            continue
        if error:
            raise error
        if batch is None:
            return
        since = time.monotonic()
        yield batch
