"""Finds damaged records and says which they are."""

import collections
import concurrent.futures
import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from input_pipeline import cores, errors, files
from input_pipeline.records import framing, manifests, reading, references

_PARSED = 1024  # records at a time
_IMAGE = 'The image'
_IMAGE_ADVICE = (
    'Repair it, or remove it and delete the index; or let training skip such images with '
    '--on_bad_record=skip.'
)
_RECORD_ADVICE = (
    'Check all records with --mode=prepare --verify_only, or prepare them again with the same '
    'flags in an empty directory.'
)


def find_problems(manifest: manifests.Manifest, report: Callable = lambda *_: None) -> list[str]:
    """Reads all shards and the statistics, and lists everything that is not as it was written.

    Args:
        manifest: From `manifests.read`.
        report: Called with (bytes read, bytes in all) after each file.

    Returns:
        A sentence for each problem, with the file's name.
    """
    shards = manifest.all_shards
    owners = {shard.sha256: shard.file for shard in shards}
    total, done, problems = sum(shard.bytes for shard in shards), 0, []
    with concurrent.futures.ThreadPoolExecutor(cores.count_cores()) as pool:
        checks = pool.map(lambda shard: _check_shard(manifest, shard, owners), shards)
        for shard, problem in zip(shards, checks, strict=True):
            done += shard.bytes
            report(done, total)
            problems += [problem] if problem else []
    problems += _find_unlisted(manifest.directory, {shard.file for shard in shards})
    statistics = manifest.directory / manifests.STATISTICS
    if not statistics.exists():
        problems.append(f'{statistics} is missing.')
    elif files.compute_sha256(statistics) != manifest.statistics_sha256:
        problems.append(f'{statistics} is not what was written.')
    return problems


def find_first_unreadable(shards: Sequence[tuple[str, int]], layout: manifests.Layout) -> str:
    """Names the first record that cannot be read or decoded, its shard and the reason.

    Args:
        shards: (path, number of records) of each shard.
        layout: How records hold images.

    Returns:
        A sentence; '' if all can be read.
    """
    with concurrent.futures.ThreadPoolExecutor(cores.count_cores()) as pool:
        for problem in pool.map(lambda shard: _find_unreadable(*shard, layout), shards):
            if problem:
                return problem
    return ''


def locate_examples(
    shards: Sequence[tuple[str, int]], chunks: tf.data.Dataset, number: int
) -> list[str]:
    """Lists where the first examples of a data set of chunks are stored.

    Args:
        shards: (path, number of records) of each shard.
        chunks: From `shuffling.EpochReader.read_chunks` of these shards.
        number: How many examples.

    Returns:
        'SHARD record INDEX NAME' for each example that counts.
    """
    ends = np.cumsum([records for _, records in shards])
    locations: list[str] = []
    for chunk in chunks:
        names = _parse_names(chunk.records)
        rows = zip(names, chunk.indices.numpy(), chunk.mask.numpy(), strict=True)
        for name, index, mask in rows:
            if not mask:  # it only fills up the batch
                continue
            shard = int(np.searchsorted(ends, index, 'right'))
            path, records = shards[shard]
            row = index - (ends[shard] - records)
            locations.append(f'{path} record {row} {name}'.rstrip())
            if len(locations) == number:
                return locations
    return locations


def read_names(shards: Sequence[tuple[str, int]]) -> list[str]:
    """Reads the names of all examples, in the order of the files.

    Args:
        shards: (path, number of records) of each shard.

    Returns:
        The name of each example's file, or its index if the record has no name.

    Raises:
        DataError: A record cannot be read.
    """
    names: list[str] = []
    for batch in read_batches(shards):
        names += [name or f'{at}' for at, name in enumerate(_parse_names(batch), len(names))]
    return names


def read_labels(shards: Sequence[tuple[str, int]], layout: manifests.Layout) -> np.ndarray:
    """Reads the labels of all examples, (examples,) int64 from 0, in the order of the files.

    Args:
        shards: (path, number of records) of each shard.
        layout: How records hold images.

    Raises:
        DataError: A record cannot be read.
    """
    batches = [reading.parse_records(batch, layout)[1].numpy() for batch in read_batches(shards)]
    return np.concatenate(batches)


def read_batches(shards: Sequence[tuple[str, int]]) -> Iterator[tf.Tensor]:
    """Reads all records, (n,) string at a time.

    Args:
        shards: (path, number of records) of each shard.

    Raises:
        DataError: A record cannot be read.
    """
    for path, records in shards:
        find_damaged = functools.partial(_find_unreadable, path, records)
        with explain_read_errors(path, find_damaged):
            framing.check_lengths(path)
            yield from tf.data.TFRecordDataset(path).batch(_PARSED)


def check_lengths(shards: Sequence[tuple[str, int]]) -> None:
    """Checks that no record claims to hold more than its file does; see `framing.iter_records`.

    Args:
        shards: (path, number of records) of each shard; those in object stores are not checked.

    Raises:
        DataError: A record is cut short or too large.
    """

    def check(shard: tuple[str, int]) -> None:
        with explain_read_errors(shard[0], lambda: _find_unreadable(*shard)):
            framing.check_lengths(shard[0])

    with concurrent.futures.ThreadPoolExecutor(cores.count_cores()) as pool:
        collections.deque(pool.map(check, shards), maxlen=0)


@contextlib.contextmanager
def explain_read_errors(
    location: object, find_unreadable: Callable[[], str] | None = None
) -> Iterator[None]:
    """Turns TensorFlow's errors about a damaged record into one that says where it is.

    Args:
        location: A file or directory of records.
        find_unreadable: Called when a record cannot be read; names it in a sentence.

    Raises:
        DataError: A record cannot be read.
        tf.errors.ResourceExhaustedError: Out of memory.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise
    except tf.errors.OpError as error:
        problem = find_unreadable and find_unreadable()
        if not problem:
            problem = f'{location}: a record cannot be read ({errors.describe(error)}).'
            if find_unreadable:
                problem += ' Now all can be: the storage may fail from time to time.'
        advice = _IMAGE_ADVICE if problem.startswith(_IMAGE) else _RECORD_ADVICE
        raise errors.DataError(f'{problem} {advice}') from error


def _parse_names(serialized: tf.Tensor) -> list[str]:
    """The file names in records, (n,) string; '' for a record without one."""
    spec = {'image/filename': tf.io.FixedLenFeature([], tf.string, '')}
    names = tf.io.parse_example(serialized, spec)['image/filename'].numpy()
    return [name.decode(errors='backslashreplace') for name in names]


def _find_unlisted(directory: pathlib.Path, listed: set[str]) -> list[str]:
    paths = [*directory.glob('*.tfrecord'), *files.find_temporary(directory)]
    return [f'{path} is not in the manifest.' for path in sorted(paths) if path.name not in listed]


def _check_shard(manifest: manifests.Manifest, shard: manifests.Shard, owners) -> str:
    path = manifest.directory / shard.file
    if not path.exists():
        return f'{path} is missing.'
    size = files.get_size(path)
    if size == 0 and shard.bytes:
        return f'{path} is empty, the manifest says {shard.bytes:,} bytes.'
    try:
        digest = files.compute_sha256(path)
    except OSError as error:
        if errors.is_of_machine(error):
            raise
        return f'{path} cannot be read ({error.strerror}).'
    if digest == shard.sha256:
        return _find_changed_image(path, manifest.layout)
    if digest in owners:
        return f'{path} holds what {owners[digest]} should hold.'
    return _find_unreadable(str(path), shard.records) or (
        f'{path} holds {shard.records:,} readable records, but others than were written '
        f'({size:,} bytes, the manifest says {shard.bytes:,}).'
    )


def _find_changed_image(path: pathlib.Path, layout: manifests.Layout) -> str:
    """Names the first image that records refer to and that has changed, or ''."""
    if layout.encoding != references.ENCODING:
        return ''
    for record in framing.iter_records(path):
        encoded, _ = reading.parse_records(record[None], layout)
        if not references.locate(encoded[0].numpy()).is_unchanged(layout.root):
            return f'{_name_image(encoded, layout)} is not what was indexed.'
    return ''


def _name_image(encoded: tf.Tensor, layout: manifests.Layout) -> str:
    """Names the image that a record refers to, if it does."""
    if layout.encoding != references.ENCODING:
        return ''
    location = references.locate(encoded[0].numpy())
    return f'{_IMAGE} {location.describe(layout.root)}' if location.path else ''


def _find_unreadable(path: str, number: int, layout: manifests.Layout | None = None) -> str:
    """Finds the first problem of a file's records, or ''; decodes images if a layout is given."""
    row, subject = 0, ''
    try:
        for record in framing.iter_records(path):
            subject = ''
            if layout:
                encoded, _ = reading.parse_records(record[None], layout)
                subject = _name_image(encoded, layout)
                reading.decode_squares(encoded, layout)
            row += 1
    except (tf.errors.OpError, ValueError) as error:  # the latter for an image of another size
        subject = subject or f'Record {row} (from 0) of {path}'
        return f'{subject} is damaged ({errors.describe(error)}).'
    if row != number:
        return f'{path} ends after {row:,} records, the manifest counts {number:,}.'
    return ''
