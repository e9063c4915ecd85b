"""Pictures of a source -> sharded records with a manifest and statistics."""

import collections
import dataclasses
import hashlib
import importlib.metadata
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from input_pipeline import errors, files
from input_pipeline.prepare import duplicates, local_executor, sharding, statistics
from input_pipeline.records import manifests, writing
from input_pipeline.sources import entries as entries_lib

_SHARD = re.compile(r'(train|validation|test)-\d{5}-of-\d{5}\.tfrecord')
_NAMED = 5  # bad pictures in a message
_WORTH_A_PROCESS = 2000  # pictures; a process needs seconds to begin

Report = Callable[[int, int], None]


def standing(
    data_dir: str,
    found: entries_lib.Found,
    settings: dict[str, Any],
    *,
    max_bad_fraction: float = 1.0,
    fail_on_leak: bool = False,
) -> manifests.Manifest | None:
    """The verified manifest of exactly this data set; None where there is none.

    Raises:
        DataError: `data_dir` holds another data set, or a damaged one, or one that is not as good
            as `max_bad_fraction` and `fail_on_leak` want it.
    """
    if not (files.at(data_dir) / manifests.MANIFEST).exists():
        return None
    manifest = manifests.read(data_dir)
    wanted = {
        'source': found.source,
        'classes': found.classes,
        'layout': sharding.layout(found, settings['record_encoding']),
        'settings': _settings(found, settings),
        'entries_sha256': _entries_sha256(found),
    }
    for name, value in wanted.items():
        if getattr(manifest, name) != value:
            raise errors.DataError(
                f'{data_dir} holds another data set: by its {name.replace("_", " ")} it is not '
                f'what {found.description} gives with these flags. Name another --data_dir, or '
                'delete this one.'
            )
    total = sum(map(len, found.splits.values()))
    if manifest.quarantined > max_bad_fraction * total or (fail_on_leak and manifest.leaked):
        raise errors.DataError(
            f'{data_dir} stands, with {manifest.quarantined} pictures left out and '
            f'{manifest.leaked} of training in another split, more than --max_bad_fraction or '
            f'--fail_on_leak allows; {manifests.QUARANTINE} and {manifests.LEAKS} list them.'
        )
    if sharding.stay(found, settings['record_encoding']):
        planned = sharding.of(files.at(data_dir), found, settings)
        if any(task.links_elsewhere() for each in planned.values() for task in each):
            return None
    manifests.verify(manifests.load(data_dir))
    return manifest


def prepare(
    found: entries_lib.Found,
    data_dir: str,
    *,
    settings: dict[str, Any],
    max_bad_fraction: float,
    report: Report,
    workers: int = 0,
    make_engine: Callable[[int], Any] = local_executor.Engine,
    fail_on_leak: bool = False,
) -> manifests.Manifest:
    """Writes the records of every split, their statistics, and last the manifest.

    What an interrupted call has finished is not done again. The caller holds the directory's lock.

    Args:
        found: What a source gave.
        data_dir: Made where it does not exist.
        settings: Kept in the manifest; `record_encoding` ('jpeg' or 'raw'), `shard_examples`
            and `seed` are used.
        max_bad_fraction: Share of pictures that may be unreadable.
        report: Called with (pictures done, pictures) from time to time.
        workers: Processes; 0: as many as there are cores, fewer where there is little to do. The
            result does not depend on it.
        make_engine: Makes what runs the tasks, of a number of processes.
        fail_on_leak: Refuse pictures that are in training and elsewhere, too.

    Raises:
        DataError: More pictures were unreadable, or a split has none left.
        OSError: The disk is full or not writable.
    """
    directory = files.at(data_dir)
    total = sum(map(len, found.splits.values()))
    directory.mkdir(parents=True, exist_ok=True)
    planned = sharding.of(directory, found, settings)
    _clean(directory, planned)
    with make_engine(workers_for(total, workers)) as running:
        written = _write(planned, running, max_bad_fraction, lambda done: report(done, total))
        _check_splits(written, found)
        manifest = _manifest(directory, found, settings, written)
        manifest = dataclasses.replace(
            manifest, leaked=_leaks(directory, planned, written, refuse=fail_on_leak)
        )
        manifest = _with_statistics(manifest, planned[manifests.TRAIN])
        files.write_atomically(directory / manifests.MANIFEST, manifest.to_json().encode())
        files.remove_tree(directory / writing.NOTES)
    return manifest


def workers_for(pictures: int, wanted: int) -> int:
    """Number of processes; where 0 are wanted, as many as are worth it."""
    return wanted or min(os.cpu_count() or 1, 1 + pictures // _WORTH_A_PROCESS)


def _settings(found: entries_lib.Found, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the manifest keeps beside the layout, with what the source decides."""
    decided = {'exif_orientation': found.exif_orientation, 'split_rule': found.split_rule}
    return {name: settings[name] for name in settings if name != 'record_encoding'} | decided


def _clean(directory: pathlib.Path, planned) -> None:
    """Takes away what a killed process left aside, and shards of other settings."""
    (directory / writing.NOTES).mkdir(exist_ok=True)
    wanted = {task.path.name for each in planned.values() for task in each}
    for path in directory.glob('*.tfrecord'):
        if _SHARD.fullmatch(path.name) and path.name not in wanted:
            path.unlink()
    for folder in (directory, directory / writing.NOTES):
        files.clear_left_aside(folder)


def _write(planned, running, max_bad_fraction: float, report):
    """What was written, by split. Bad pictures are listed in any case."""
    every = [task for each in planned.values() for task in each]
    written, bad, directory = [], [], every[0].path.parent
    total = sum(len(task.entries) for task in every)
    for made in running.run(writing.write, every, report):
        written.append(made)
        bad += made.bad
        if len(bad) > max_bad_fraction * total:
            break
    files.write_csv(directory / manifests.QUARANTINE, [('name', 'reason'), *sorted(bad)])
    if len(bad) > max_bad_fraction * total or (bad and every[0].original):
        _refuse(sorted(bad), total, max_bad_fraction, every[0])
    left = iter(written)
    return {split: [next(left) for _ in each] for split, each in planned.items()}


def _refuse(bad, total: int, max_bad_fraction: float, task: writing.Task) -> None:
    named = '; '.join(f'{name}: {reason}' for name, reason in bad[:_NAMED])
    if task.original:
        raise errors.DataError(
            f'{len(bad)} of {total} records cannot be read, and nothing can be left out of records '
            f'that are used where they lie: {named}. --record_encoding=raw makes them anew.'
        )
    raise errors.DataError(
        f'{len(bad)} of {total} pictures cannot be read, more than --max_bad_fraction='
        f'{max_bad_fraction:g} allows. Those found so far are in '
        f'{task.path.with_name(manifests.QUARANTINE)}. The first: {named}.'
    )


def _check_splits(written, found: entries_lib.Found) -> None:
    for split, made in written.items():
        if not any(each.shard.records for each in made):
            raise errors.DataError(f'{found.description}: no readable picture in split {split}.')


def _manifest(directory, found: entries_lib.Found, settings, written) -> manifests.Manifest:
    kinds = {split: sum(_counters(made), collections.Counter()) for split, made in written.items()}
    return manifests.Manifest(
        directory=directory,
        source=found.source,
        classes=found.classes,
        words=found.words,
        ids=found.ids,
        layout=sharding.layout(found, settings['record_encoding']),
        settings=_settings(found, settings),
        splits={split: tuple(each.shard for each in made) for split, made in written.items()},
        expected=dict(found.expected),
        kinds={split: dict(sorted(each.items())) for split, each in kinds.items()},
        entries_sha256=_entries_sha256(found),
        statistics_sha256='',
        quarantined=sum(len(each.bad) for made in written.values() for each in made),
        leaked=0,
        versions={'tensorflow': importlib.metadata.version('tensorflow')},
    )


def _counters(made: Sequence[writing.Written]) -> Iterator[collections.Counter]:
    return (collections.Counter(each.kinds) for each in made)


def _leaks(directory, planned, written, *, refuse: bool) -> int:
    """The number of training pictures that are in another split too; they are listed."""
    named = {
        split: duplicates.Named(
            [each.name for task in planned[split] for each in task.entries],
            [digest for each in made for digest in each.digests],
        )
        for split, made in written.items()
    }
    found = duplicates.find(named, manifests.TRAIN)
    path = directory / manifests.LEAKS
    path.unlink(missing_ok=True)
    if found:
        rows = [dataclasses.astuple(each) for each in found]
        files.write_csv(path, [('train', 'split', 'other'), *rows])
        if refuse:
            first = found[0]
            raise errors.DataError(
                f'{len(found)} pictures are in training and in another split, {first.train} and '
                f'{first.other} first; all are in {path}. Remove them, or leave --fail_on_leak.'
            )
    return len(found)


def _with_statistics(manifest: manifests.Manifest, summed) -> manifests.Manifest:
    sums = (manifests.arrays(writing.sums_of(task)) for task in summed)
    computed = statistics.combined(sums)
    path = manifest.directory / manifests.STATISTICS
    manifests.save_arrays(path, computed)
    return dataclasses.replace(manifest, statistics_sha256=files.sha256(path))


def _entries_sha256(found: entries_lib.Found) -> dict[str, str]:
    """By split, a hash of every picture's name, label and size."""
    return {split: _hash_of(entries) for split, entries in found.splits.items()}


def _hash_of(entries: Sequence[entries_lib.Entry]) -> str:
    lines = sorted(each.identity() for each in entries)
    return hashlib.sha256('\n'.join(lines).encode(errors='surrogateescape')).hexdigest()
