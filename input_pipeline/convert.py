"""Pictures of a source -> sharded records with a manifest and statistics."""

import concurrent.futures
import csv
import dataclasses
import hashlib
import importlib.metadata
import io
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from input_pipeline import errors, files, pictures, records, statistics
from input_pipeline.sources import entry

MOST_ENCODED_BYTES = 64 << 20
MOST_PIXELS = 50_000_000
_NAMED = 5  # bad pictures in a message

Report = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class _Task:
    """One shard to write."""

    path: pathlib.Path
    entries: Sequence[entry.Entry]
    classes: tuple[str, ...]
    encoding: str


def standing(
    data_dir: str, found: entry.Found, settings: dict[str, Any]
) -> records.Manifest | None:
    """The verified manifest of exactly this data set; None where there is none.

    Raises:
        DataError: `data_dir` holds another data set, or a damaged one.
    """
    if not (pathlib.Path(data_dir) / records.MANIFEST).exists():
        return None
    manifest = records.load(data_dir)
    wanted = {
        'source': found.source,
        'classes': found.classes,
        'settings': settings,
        'entries_sha256': _entries_sha256(found),
    }
    for name, value in wanted.items():
        if getattr(manifest, name) != value:
            raise errors.DataError(
                f'{data_dir} holds another data set: its {name.replace("_", " ")} differ from '
                f'what {found.description} gives with these flags. Name another --data_dir, or '
                'delete this one.'
            )
    records.verify(manifest)
    return manifest


def prepare(
    found: entry.Found,
    data_dir: str,
    *,
    settings: dict[str, Any],
    max_bad_fraction: float,
    report: Report,
    workers: int | None = None,
) -> records.Manifest:
    """Writes the records of every split, their statistics, and last the manifest.

    Args:
        found: What a source gave.
        data_dir: Made where it does not exist.
        settings: Kept in the manifest; `record_encoding` ('jpeg' or 'raw'), `shard_examples`
            and `seed` are used here.
        max_bad_fraction: Share of pictures that may be unreadable.
        report: Called with (pictures done, pictures) after each shard.
        workers: Threads; the result does not depend on it.

    Raises:
        DataError: More pictures were unreadable, or a split has none left.
        OSError: The disk is full or not writable.
    """
    directory = pathlib.Path(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    workers = workers or os.cpu_count() or 1
    tasks = {split: _plan(directory, found, split, settings) for split in found.splits}
    shards, bad = _write_all(tasks, workers, report)
    files.write_atomically(directory / records.QUARANTINE, _quarantine(bad))
    _check_bad(bad, sum(map(len, found.splits.values())), max_bad_fraction, directory)
    for split, written in shards.items():
        if not any(each.records for each in written):
            raise errors.DataError(f'{found.description}: no readable picture in split {split}.')
    computed = statistics.of_records(
        [(str(directory / each.file), each.records) for each in shards[records.TRAIN]],
        record_encoding=settings['record_encoding'],
        workers=workers,
    )
    records.save_statistics(directory / records.STATISTICS, computed)
    manifest = records.Manifest(
        directory=directory,
        source=found.source,
        classes=found.classes,
        settings=settings,
        splits=shards,
        entries_sha256=_entries_sha256(found),
        statistics_sha256=files.sha256(directory / records.STATISTICS),
        quarantined=len(bad),
        versions={'tensorflow': importlib.metadata.version('tensorflow')},
    )
    files.write_atomically(directory / records.MANIFEST, manifest.to_json().encode())
    return manifest


def _plan(directory, found, split, settings) -> list[_Task]:
    """Shards of about equal size; a picture's place depends on its name and the seed only."""
    ordered = sorted(found.splits[split], key=lambda each: _place(each, settings['seed']))
    number = -(-len(ordered) // settings['shard_examples'])
    cuts = [len(ordered) * at // number for at in range(number + 1)]
    return [
        _Task(
            directory / f'{split}-{at:05d}-of-{number:05d}.tfrecord',
            ordered[cuts[at] : cuts[at + 1]],
            found.classes,
            settings['record_encoding'],
        )
        for at in range(number)
    ]


def _place(each: entry.Entry, seed: int) -> bytes:
    return hashlib.sha256(f'{seed}:{each.name}'.encode(errors='surrogateescape')).digest()


def _write_all(tasks, workers, report):
    """Shards by split, and (name, reason) of every bad picture."""
    total = sum(len(task.entries) for each in tasks.values() for task in each)
    done, shards, bad = 0, {}, []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {
            split: [pool.submit(_write, task) for task in each] for split, each in tasks.items()
        }
        try:
            for split, futures in running.items():
                shards[split] = []
                for task, future in zip(tasks[split], futures, strict=True):
                    shard, reasons = future.result()
                    shards[split].append(shard)
                    bad += reasons
                    done += len(task.entries)
                    report(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {split: tuple(each) for split, each in shards.items()}, sorted(bad)


def _write(task: _Task) -> tuple[records.Shard, list[tuple[str, str]]]:
    """Writes one shard, aside and then under its name."""
    bad, number = [], 0
    with files.atomic_file(task.path) as aside:
        with tf.io.TFRecordWriter(str(aside)) as writer:
            for each in task.entries:
                try:
                    picture = read_square(each.read())
                except (tf.errors.OpError, OSError, ValueError) as error:
                    bad.append((each.name, reason(error)))
                    continue
                writer.write(_example(each, picture, task))
                number += 1
        size, digest = aside.stat().st_size, files.sha256(aside)
    return records.Shard(task.path.name, number, size, digest), bad


def read_square(encoded: bytes) -> tf.Tensor:
    """The picture as records hold it, (256, 256, 3) uint8.

    Raises:
        ValueError: An empty file, or one so large that decoding it could exhaust the memory.
        tf.errors.OpError: Not a picture.
    """
    if not encoded:
        raise ValueError('empty file')
    if len(encoded) > MOST_ENCODED_BYTES:
        raise ValueError(f'{len(encoded):,} bytes; at most {MOST_ENCODED_BYTES:,} are read')
    return pictures.from_bytes(encoded)


def reason(error: Exception) -> str:
    """What is wrong with a picture, in one line."""
    text = getattr(error, 'message', None) or getattr(error, 'strerror', None) or str(error)
    return ' '.join(text.split('{{')[-1].partition('}} ')[2].split() or text.split())


def _example(each: entry.Entry, picture: tf.Tensor, task: _Task) -> bytes:
    jpeg = task.encoding == 'jpeg'
    encoded = pictures.encode(picture).numpy() if jpeg else picture.numpy().tobytes()
    name = task.classes[each.label].encode()
    features = {
        'image/encoded': [encoded],
        'image/format': [b'JPEG' if jpeg else b'RAW'],
        'image/colorspace': [b'RGB'],
        'image/height': [pictures.SQUARE_SIZE],
        'image/width': [pictures.SQUARE_SIZE],
        'image/channels': [pictures.CHANNELS],
        'image/filename': [each.name.encode(errors='surrogateescape')],
        'image/class/label': [each.label],
        'image/class/synset': [name],
        'image/class/text': [name],
    }
    made = {key: _feature(value) for key, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString(
        deterministic=True
    )


def _feature(values: list) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _quarantine(bad: list[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows([('name', 'reason'), *bad])
    return text.getvalue().encode(errors='surrogateescape')


def _check_bad(bad, total: int, max_bad_fraction: float, directory: pathlib.Path) -> None:
    if len(bad) <= max_bad_fraction * total:
        return
    named = '; '.join(f'{name}: {reason}' for name, reason in bad[:_NAMED])
    raise errors.DataError(
        f'{len(bad)} of {total} pictures cannot be read, more than --max_bad_fraction='
        f'{max_bad_fraction:g} allows. All are in {directory / records.QUARANTINE}. '
        f'The first: {named}.'
    )


def _entries_sha256(found: entry.Found) -> dict[str, str]:
    """By split, a hash of every picture's name and label."""
    return {split: _hash_of(entries) for split, entries in found.splits.items()}


def _hash_of(entries: Sequence[entry.Entry]) -> str:
    lines = sorted(f'{each.label} {each.name}' for each in entries)
    return hashlib.sha256('\n'.join(lines).encode(errors='surrogateescape')).hexdigest()
