"""Pictures of a source -> sharded records with a manifest and statistics."""

import csv
import dataclasses
import hashlib
import importlib.metadata
import io
import itertools
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from input_pipeline import engine, errors, files, records, shards, statistics
from input_pipeline.sources import entry

_NAMED = 5  # bad pictures in a message
_WORTH_A_PROCESS = 2000  # pictures; a process needs seconds to begin

Report = Callable[[int, int], None]


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
    workers: int = 0,
) -> records.Manifest:
    """Writes the records of every split, their statistics, and last the manifest.

    Args:
        found: What a source gave.
        data_dir: Made where it does not exist.
        settings: Kept in the manifest; `record_encoding` ('jpeg' or 'raw'), `shard_examples`
            and `seed` are used here.
        max_bad_fraction: Share of pictures that may be unreadable.
        report: Called with (pictures done, pictures) from time to time.
        workers: Processes; 0: as many as there are cores, fewer where there is little to do. The
            result does not depend on it.

    Raises:
        DataError: More pictures were unreadable, or a split has none left.
        OSError: The disk is full or not writable.
    """
    directory = pathlib.Path(data_dir)
    directory.mkdir(parents=True, exist_ok=True)
    total = sum(map(len, found.splits.values()))
    workers = workers or min(os.cpu_count() or 1, 1 + total // _WORTH_A_PROCESS)
    tasks = {split: _plan(directory, found, split, settings) for split in found.splits}
    with engine.Engine(workers) as running:
        written, bad = _write_all(tasks, running, lambda done: report(done, total))
        files.write_atomically(directory / records.QUARANTINE, _quarantine(bad))
        _check_bad(bad, total, max_bad_fraction, directory)
        _check_splits(written, found)
        manifest = records.Manifest(
            directory=directory,
            source=found.source,
            classes=found.classes,
            settings=settings,
            splits=written,
            entries_sha256=_entries_sha256(found),
            statistics_sha256='',
            quarantined=len(bad),
            versions={'tensorflow': importlib.metadata.version('tensorflow')},
        )
        manifest = _with_statistics(manifest, running, workers)
    files.write_atomically(directory / records.MANIFEST, manifest.to_json().encode())
    return manifest


def _plan(directory, found, split, settings) -> list[shards.Task]:
    """Shards of about equal size; a picture's place depends on its name and the seed only."""
    ordered = sorted(found.splits[split], key=lambda each: _place(each, settings['seed']))
    number = -(-len(ordered) // settings['shard_examples'])
    cuts = [len(ordered) * at // number for at in range(number + 1)]
    return [
        shards.Task(
            directory / f'{split}-{at:05d}-of-{number:05d}.tfrecord',
            ordered[cuts[at] : cuts[at + 1]],
            found.classes,
            settings['record_encoding'],
        )
        for at in range(number)
    ]


def _place(each: entry.Entry, seed: int) -> bytes:
    return hashlib.sha256(f'{seed}:{each.name}'.encode(errors='surrogateescape')).digest()


def _write_all(tasks, running: engine.Engine, report):
    """Shards by split, and (name, reason) of every bad picture."""
    every = [task for each in tasks.values() for task in each]
    results = list(running.run(shards.write, every, report))
    left = iter(shard for shard, _ in results)
    written = {split: tuple(itertools.islice(left, len(each))) for split, each in tasks.items()}
    return written, sorted(each for _, bad in results for each in bad)


def _with_statistics(manifest: records.Manifest, running, parts: int) -> records.Manifest:
    computed = statistics.of_records(
        manifest.shards(records.TRAIN),
        record_encoding=manifest.record_encoding,
        running=running,
        parts=parts,
    )
    path = manifest.directory / records.STATISTICS
    records.save_statistics(path, computed)
    return dataclasses.replace(manifest, statistics_sha256=files.sha256(path))


def _check_splits(written, found: entry.Found) -> None:
    for split, made in written.items():
        if not any(each.records for each in made):
            raise errors.DataError(f'{found.description}: no readable picture in split {split}.')


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
