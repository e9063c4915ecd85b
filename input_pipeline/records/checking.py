"""What is wrong with records, and where."""

import concurrent.futures
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from input_pipeline import errors, files
from input_pipeline.batches import preprocessing
from input_pipeline.records import manifests

_NAMED = 1024  # records at a time


def problems(
    manifest: manifests.Manifest, report: Callable[[int, int], None] = lambda *_: None
) -> list[str]:
    """Everything in a data directory that is not what was written, a sentence each.

    Args:
        manifest: From `records.read`.
        report: Called with (bytes read, bytes) after each file.
    """
    shards = [each for split in manifest.splits.values() for each in split]
    owners = {each.sha256: each.file for each in shards}
    total, done, found = sum(each.bytes for each in shards), 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for shard, said in zip(
            shards,
            pool.map(lambda each: _problem(manifest.directory, each, owners), shards),
            strict=True,
        ):
            done += shard.bytes
            report(done, total)
            found += [said] if said else []
    found += _surplus(manifest.directory, {each.file for each in shards})
    statistics = manifest.directory / manifests.STATISTICS
    if not statistics.exists():
        found.append(f'{statistics} is missing.')
    elif files.sha256(statistics) != manifest.statistics_sha256:
        found.append(f'{statistics} is not what was written.')
    return found


def _surplus(directory: pathlib.Path, known: set[str]) -> list[str]:
    there = [*directory.glob('*.tfrecord'), *files.left_aside(directory)]
    return [f'{path} is not in the manifest.' for path in sorted(there) if path.name not in known]


def first_unreadable(shards: Sequence[tuple[str, int]], layout: manifests.Layout) -> str:
    """A sentence that names the first record that cannot be read, its shard, and why."""

    def first(shard):
        return next(_unreadable(*shard, layout), None)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for said in pool.map(first, shards):
            if said:
                return said
    return 'Read again, all records were readable: the storage may fail now and then.'


def names(shards: Sequence[tuple[str, int]], chunks: tf.data.Dataset, number: int) -> list[str]:
    """The shard, the place in it and the name of the first `number` examples of `order.chunks`."""
    ends = np.cumsum([each for _, each in shards])
    found: list[str] = []
    for chunk in chunks:
        pairs = zip(_names_of(chunk.records), chunk.indices.numpy(), strict=True)
        for name, index in pairs:
            shard = int(np.searchsorted(ends, index, 'right'))
            at = index - (ends[shard] - shards[shard][1])
            found.append(f'{shards[shard][0]} record {at} {name}'.rstrip())
            if len(found) == number:
                return found
    return found


def ids(shards: Sequence[tuple[str, int]]) -> list[str]:
    """A name for each example of a split, in the order of the files: its file's or its place."""
    found: list[str] = []
    for path, _ in shards:
        with readable(path):
            for part in tf.data.TFRecordDataset(path).batch(_NAMED):
                first = len(found)
                found += [name or f'{first + at}' for at, name in enumerate(_names_of(part))]
    return found


@contextlib.contextmanager
def readable(where: str, find: Callable[[], str] = str) -> Iterator[None]:
    """Says where a record is that cannot be read inside.

    Args:
        where: A file or directory of records; begins the message.
        find: Called when a record cannot be read; says which, in a sentence.

    Raises:
        DataError: A record cannot be read.
        tf.errors.ResourceExhaustedError: The memory does not suffice.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        raise errors.DataError(
            f'{where}: a record cannot be read ({errors.reason(error)}). {find()} '
            '--mode=prepare --verify_only checks them all; with the flags that made it, prepare '
            'makes it again in an empty directory.'
        ) from error


def _names_of(serialized: tf.Tensor) -> list[str]:
    """The file names in records, (n,) string; '' where a record has none."""
    spec = {'image/filename': tf.io.FixedLenFeature([], tf.string, '')}
    names = tf.io.parse_example(serialized, spec)['image/filename'].numpy()
    return [name.decode(errors='backslashreplace') for name in names]


def _problem(directory: pathlib.Path, shard: manifests.Shard, owners) -> str | None:
    path = directory / shard.file
    if not path.exists():
        return f'{path} is missing.'
    size = files.size(path)
    if size == 0 and shard.bytes:
        return f'{path} is empty, the manifest says {shard.bytes:,} bytes.'
    digest = files.sha256(path)
    if digest == shard.sha256:
        return None
    if digest in owners:
        return f'{path} holds what {owners[digest]} should hold.'
    said = next(_unreadable(str(path), shard.records, None), None)
    return said or (
        f'{path} holds {shard.records:,} readable records, but others than were written '
        f'({size:,} bytes, the manifest says {shard.bytes:,}).'
    )


def _unreadable(path: str, number: int, layout: manifests.Layout | None) -> Iterator[str]:
    """What is wrong with a file's records; without a layout, pictures are not looked at."""
    at = 0
    try:
        for record in tf.data.TFRecordDataset(path):
            if layout:
                encoded, _ = preprocessing.parse(record[None], layout)
                preprocessing.decode(encoded, layout)
            at += 1
    except tf.errors.OpError as error:
        yield f'Record {at} (from 0) of {path} is damaged: {errors.reason(error)}.'
        return
    if at != number:
        yield f'{path} ends after {at:,} records, the manifest counts {number:,}.'
