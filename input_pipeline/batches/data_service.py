"""Decoding on other machines by tf.data service: the pipeline up to the finished crops."""

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
_POLL_SECS = 0.5
_PREFETCHED = 2  # batches


def start_dispatcher(port: int) -> _SERVICE.DispatchServer:
    """Starts the server that assigns work to workers; port 0 takes a free one.

    Raises:
        DataError: The port is in use.
    """
    _check_port(port)
    return _SERVICE.DispatchServer(_SERVICE.DispatcherConfig(port=port, protocol=PROTOCOL))


def start_worker(dispatcher_address: str, host: str, port: int) -> _SERVICE.WorkerServer:
    """Starts a server that reads and decodes.

    Args:
        dispatcher_address: 'host:port', with or without 'grpc://'.
        host: This machine's name, as trainers reach it.
        port: Port to listen on; 0 takes a free one.

    Raises:
        DataError: The port is in use, or no dispatcher answers.
    """
    check_address(dispatcher_address, '--service_dispatcher')
    _check_port(port)
    return _SERVICE.WorkerServer(
        _SERVICE.WorkerConfig(
            dispatcher_address=dispatcher_address.removeprefix(f'{PROTOCOL}://'),
            worker_address=f'{host}:{port or "%port%"}',
            port=port,
            protocol=PROTOCOL,
        )
    )


def iterate_batches(
    dataset: datasets.TrainingDataset,
    address: str,
    *,
    start: tuple[int, int],
    epochs: int,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple]:
    """Iterates over a data set's batches, decoded by the workers behind a dispatcher.

    The data set has one lane; for several see `lane_service`. Each example comes once an epoch.
    Workers take groups of records as they become free, so the order differs from run to run. An
    example is augmented as without a service, except for crops that neighbouring images share: the
    neighbours differ.

    Args:
        dataset: What to read.
        address: The dispatcher, 'grpc://host:port'.
        start: The first epoch, and 0: an epoch cannot be resumed.
        epochs: Number of the last epoch, plus one.
        is_cancelled: Called while it waits; True ends the iteration.

    Raises:
        DataError: No dispatcher answers, no batch comes for PATIENCE_SECS, or examples were lost.
    """
    # A worker takes a group at a time: one shard each, so that there are enough for all. Only this
    # process knows which batch is an epoch's last.
    remote = dataclasses.replace(
        dataset, group_examples=1, batch_size=1, bytes_read=None, in_place=False
    )
    for epoch in range(start[0], epochs):
        check_address(address, '--data_service', is_lost=epoch > start[0])
        crops = distribute(remote.read_crops(start=(epoch, 0), epochs=epoch + 1), address)
        received = 0
        for number, batch in poll(_batch(crops, dataset), address, is_cancelled):
            received += int(number)
            yield batch
        if is_cancelled():
            return
        if received != dataset.num_examples:
            raise Stalled(
                f'--data_service={address}: only {received:,} of {dataset.num_examples:,} '
                f'examples of epoch {epoch} arrived, since a worker disconnected. Run the same '
                'command again: it resumes from the last checkpoint.'
            )


def check_address(address: str, flag: str, *, is_lost: bool = False) -> None:
    """Refuses an address without a server; TensorFlow would retry for an hour.

    Args:
        address: 'grpc://host:port'.
        flag: The flag that names it, for the message.
        is_lost: Whether a server answered there before.

    Raises:
        DataError: No server listens there.
        Stalled: The same, but one did.
    """
    host, _, port = address.removeprefix(f'{PROTOCOL}://').rpartition(':')
    try:
        socket.create_connection((host.strip('[]'), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise (Stalled if is_lost else errors.DataError)(
            f'{flag}={address}: no dispatcher answers ({error}). Expected grpc://HOST:PORT; start '
            'a dispatcher with --flagfile=flags/data_service_dispatcher.cfg.'
        ) from error


def _check_port(port: int) -> None:
    # gRPC would share the port with the process that uses it.
    dualstack = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dualstack else socket.AF_INET
    try:
        socket.create_server(('', port), family=family, dualstack_ipv6=dualstack).close()
    except OSError as error:
        raise errors.DataError(
            f'--service_port={port}: the port is not available ({error}). Name another, or 0.'
        ) from error


def _batch(crops: tf.data.Dataset, dataset: datasets.TrainingDataset) -> tf.data.Dataset:
    """Makes (number of examples, finished batch); copies with mask 0 fill up the last batch."""

    def finish(*parts):
        number = tf.shape(parts[-1])[0]
        rows = tf.range(dataset.batch_size)
        *crops, mask = [tf.gather(part, rows % number) for part in parts]
        return number, dataset.finish(*crops, tf.where(rows < number, mask, 0.0))

    return crops.rebatch(dataset.batch_size).map(finish, num_parallel_calls=_PREFETCHED)


def distribute(
    crops: tf.data.Dataset, address: str, *, max_outstanding_requests: int | None = None
) -> tf.data.Dataset:
    """Lets the workers behind a dispatcher make the elements of a data set, in any order."""
    return crops.apply(
        _SERVICE.distribute(
            processing_mode=_SERVICE.ShardingPolicy.DYNAMIC,
            service=address,
            max_outstanding_requests=max_outstanding_requests,
            compression=None,  # pixels do not shrink
        )
    )


class Stalled(errors.DataError):
    """The workers stopped sending, or one was lost: try again."""

    exit_code = 75  # EX_TEMPFAIL


def poll(
    dataset: tf.data.Dataset,
    address: str,
    is_cancelled: Callable[[], bool],
    first_patience_secs: float | None = None,
    patience_secs: float | None = None,
) -> Iterator:
    """Iterates in a thread, since a call that waits for the service receives no signals.

    Args:
        dataset: The data set that the service computes.
        address: The dispatcher, 'grpc://host:port'.
        is_cancelled: Called while it waits; True ends the iteration.
        first_patience_secs: How long to wait for the first element; None: PATIENCE_SECS.
        patience_secs: How long to wait for another one; None: PATIENCE_SECS.

    Raises:
        Stalled: No element came in that time.
        DataError: No dispatcher answers.
    """
    received: queue.Queue = queue.Queue(_PREFETCHED)
    is_abandoned = threading.Event()
    arguments = (dataset, received, is_abandoned)
    threading.Thread(target=_pass_on, args=arguments, daemon=True).start()
    limit, start = first_patience_secs or PATIENCE_SECS, time.monotonic()
    try:
        while not is_cancelled():
            try:
                batch, error = received.get(timeout=_POLL_SECS)
            except queue.Empty:
                check_address(address, '--data_service', is_lost=True)
                if time.monotonic() - start > limit:
                    raise Stalled(
                        f'--data_service={address}: no batch for {limit:.0f} seconds. Check that '
                        'workers run and see the records under the same path.'
                    ) from None
                continue
            if error:
                raise error
            if batch is None:
                return
            yield batch
            limit, start = patience_secs or PATIENCE_SECS, time.monotonic()
    finally:
        is_abandoned.set()
        while not received.empty():  # the thread may wait for a place
            received.get_nowait()


def _pass_on(
    dataset: tf.data.Dataset, received: queue.Queue, is_abandoned: threading.Event
) -> None:
    """Puts (element, None) into a queue; at the end (None, None), or (None, error)."""
    try:
        for batch in dataset:
            received.put((batch, None))
            if is_abandoned.is_set():
                return
        received.put((None, None))
    except Exception as error:  # raised again by the consumer
        received.put((None, error))
