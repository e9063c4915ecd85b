"""Converts the images of a source to sharded records with a manifest and statistics."""

import collections
import contextlib
import importlib.metadata
import json
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from input_pipeline import cores, errors, escaping, files
from input_pipeline.prepare import (
    beam_executor,
    comparison,
    duplicates,
    local_executor,
    outcomes,
    sharding,
)
from input_pipeline.records import manifests, statistics, writing
from input_pipeline.sources import entries as entries_lib

_SOURCE_FILE = 'source.json'  # of unfinished shards: the name and the place of their source
_SHARD_NAME = re.compile(r'(train|validation|test)-\d{5}-of-\d{5}\.tfrecord')
_NAMED = 5  # bad images in a message

Executor = local_executor.LocalExecutor | beam_executor.BeamExecutor
Tasks = Sequence[writing.ShardTask]
Summaries = Sequence[writing.ShardSummary]


def load_if_current(
    data_dir: str,
    source: entries_lib.Source,
    settings: dict[str, Any],
    *,
    max_bad_fraction: float = 1.0,
    fail_on_leak: bool = False,
) -> manifests.Manifest | None:
    """Loads and verifies the manifest of a data set that was already prepared.

    Args:
        data_dir: The data directory.
        source: The source that the data set should come from.
        settings: The settings that it should have been prepared with; see `prepare`.
        max_bad_fraction: Fraction of images that may have been left out.
        fail_on_leak: Whether images in training and in another split are an error.

    Returns:
        The manifest; None if nothing is prepared, or linked records have moved.

    Raises:
        DataError: The directory holds another data set, or a damaged one, or one with more bad
            images or leaks than allowed.
    """
    directory = files.as_path(data_dir)
    if not (directory / manifests.MANIFEST).exists():
        return None
    manifest = manifests.read(data_dir)
    if difference := comparison.find_difference(manifest, source, settings):
        raise errors.DataError(
            f'{data_dir} holds another data set than {source.description} would give: it differs '
            f'in its {difference}. Name another --data_dir and, to train, another --run_dir; or '
            'delete this one.'
        )
    total = sum(map(len, source.splits.values()))
    if manifest.quarantined > max_bad_fraction * total or (fail_on_leak and manifest.leaked):
        raise errors.DataError(
            f'{data_dir} is prepared, but with {manifest.quarantined} images left out and '
            f'{manifest.leaked} of other splits in training too, more than --max_bad_fraction or '
            f'--fail_on_leak allows. See {manifests.QUARANTINE} and {manifests.LEAKS} there.'
        )
    if sharding.uses_records_in_place(source, settings['record_encoding']):
        tasks = sharding.plan_shards(directory, source, settings)
        if any(task.is_link_outdated for task in tasks):
            return None
    manifests.verify(manifests.load(data_dir))
    return manifest


def prepare(
    source: entries_lib.Source,
    data_dir: str,
    *,
    settings: dict[str, Any],
    max_bad_fraction: float,
    report: Callable[[int, int], None],
    executor: Executor | None = None,
    fail_on_leak: bool = False,
    image_statistics: manifests.ImageStatistics | None = None,
) -> manifests.Manifest:
    """Writes the records of every split, their statistics and outcome, and last the manifest.

    Shards that an interrupted call has finished are kept. The caller holds the directory's lock.

    Args:
        source: The source of the images.
        data_dir: Created if it does not exist.
        settings: Kept in the manifest; `record_encoding` ('jpeg', 'raw', or 'reference' for an
            index of unprepared images), and what `sharding.plan_shards` reads, are used.
        max_bad_fraction: Fraction of images that may be unreadable.
        report: Called with (images done, images in all) from time to time.
        executor: Runs the tasks; by default a thread of this process a core. The result does
            not depend on it.
        fail_on_leak: Whether images in training and in another split are an error.
        image_statistics: Statistics to keep instead of those of the images.

    Raises:
        DataError: Too many images are unreadable, or a split or a class has none left.
        OSError: The disk is full or not writable.
    """
    directory = files.as_path(data_dir)
    total = sum(map(len, source.splits.values()))
    directory.mkdir(parents=True, exist_ok=True)
    tasks = sharding.plan_shards(directory, source, settings)
    _remove_leftovers(directory, source, tasks)
    executor = executor or local_executor.LocalExecutor(cores.count_cores())
    summaries = _write_shards(tasks, executor, max_bad_fraction, lambda done: report(done, total))
    by_split = {split: [] for split in source.splits}
    for task, summary in zip(tasks, summaries, strict=True):
        by_split[task.split].append(summary)
    for split, split_summaries in by_split.items():
        if not any(summary.shard.records for summary in split_summaries):
            raise errors.DataError(
                f'{source.description}: no image of the {split} split can be read. '
                f'{directory / manifests.QUARANTINE} says why.'
            )
    outcome, conflicts = outcomes.collect(source, tasks, summaries)
    _write_rows(directory / manifests.CONFLICTS, conflicts)
    leaked = _list_leaks(directory, tasks, summaries, fail_on_leak=fail_on_leak)
    outcomes.write(outcome, directory)
    sums = (manifests.load_arrays(task.sums_path) for task in tasks if task.sampled)
    image_statistics = image_statistics or statistics.combine(sums)
    manifests.save_arrays(directory / manifests.STATISTICS, vars(image_statistics))
    manifest = _create_manifest(directory, source, settings, by_split, leaked)
    files.remove_temporary(directory)  # of workers that were killed on the way
    files.write_atomically(directory / manifests.MANIFEST, manifest.to_json().encode())
    files.remove_tree(directory / writing.UNFINISHED_DIR)
    return manifest


def _remove_leftovers(directory: pathlib.Path, source: entries_lib.Source, tasks: Tasks) -> None:
    """Removes temporary files of killed processes, and shards of other settings.

    Raises:
        DataError: The shards are of other images.
    """
    unfinished, identity = directory / writing.UNFINISHED_DIR, [source.name, source.root]
    shards = [path for path in directory.glob('*.tfrecord') if _SHARD_NAME.fullmatch(path.name)]
    if shards and not (directory / manifests.MANIFEST).exists():
        _check_unfinished(shards[0], identity)
    unfinished.mkdir(exist_ok=True)
    files.write_atomically(unfinished / _SOURCE_FILE, json.dumps(identity).encode())
    planned = {task.path.name for task in tasks}
    for path in shards:
        if path.name not in planned:
            path.unlink()
    for folder in (directory, unfinished):
        files.remove_temporary(folder)


def _check_unfinished(shard: pathlib.Path, identity: Sequence[str]) -> None:
    """Checks that a shard without a manifest is of an interrupted preparation of a source."""
    unfinished = shard.with_name(writing.UNFINISHED_DIR)
    left = unfinished.iterdir() if unfinished.is_dir() else ()
    if all(path.name.endswith(entries_lib.COPY_SUFFIX) for path in left):
        raise errors.DataError(
            f'{shard} is there already, and not of an interrupted preparation. Name another '
            '--data_dir.'
        )
    kept = unfinished / _SOURCE_FILE  # older versions have none
    if kept.exists() and (known := json.loads(kept.read_text())) != identity:
        raise errors.DataError(
            f'{shard.parent} holds an unfinished preparation of {known[1]}. Name another '
            '--data_dir, or delete this one.'
        )


def _write_shards(tasks: Tasks, executor: Executor, max_bad_fraction: float, report) -> Summaries:
    """Writes all shards and lists the bad images, also when there are too many."""
    total = sum(len(task.entries) for task in tasks)
    summaries, bad = [], []
    with contextlib.closing(executor.run(writing.write_shard, tasks, report)) as results:
        for summary in results:
            summaries.append(summary)
            bad += summary.bad
            if len(bad) > max_bad_fraction * total:
                break
    bad.sort()
    quarantine = tasks[0].path.with_name(manifests.QUARANTINE)
    _write_table(quarantine, ('name', 'reason'), bad)
    examples = '; '.join(f'{name}: {reason}' for name, reason in bad[:_NAMED])
    if bad and tasks[0].original:
        raise errors.DataError(
            f'{len(bad)} of {total} records cannot be read, and none can be left out of records '
            f'that are used in place: {examples}. Give --record_encoding=raw to write new records.'
        )
    if len(bad) > max_bad_fraction * total:
        raise errors.DataError(
            f'{len(bad)} of {total} images cannot be read, more than --max_bad_fraction='
            f'{max_bad_fraction:g} allows: {examples}. {quarantine} lists those found so far; '
            'repair them, give a larger fraction, or remove them: then all shards are written anew.'
        )
    return summaries


def _list_leaks(directory, tasks: Tasks, summaries: Summaries, *, fail_on_leak: bool) -> int:
    """Writes the list of images in training and in another split; returns their number."""
    images = collections.defaultdict(list)
    for task, summary in zip(tasks, summaries, strict=True):
        names = (entry.name for entry in task.entries)
        images[task.split] += zip(names, summary.digests, strict=True)
    leaks = duplicates.find_leaks(images)
    path = directory / manifests.LEAKS
    _write_rows(path, leaks)
    if leaks and fail_on_leak:
        raise errors.DataError(
            f'{len(leaks)} images are in training and in another split, first {leaks[0].train} and '
            f'{leaks[0].other}; {path} lists them. Remove them, or leave out --fail_on_leak.'
        )
    return len(leaks)


def _write_rows(path: pathlib.Path, rows: Sequence[NamedTuple]) -> None:
    """Writes named tuples as CSV; without any there is no file."""
    path.unlink(missing_ok=True)
    if rows:
        _write_table(path, rows[0]._fields, rows)


def _write_table(path: pathlib.Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    files.write_csv(path, [header, *map(escaping.escape_row, rows)])


def _create_manifest(directory, source, settings, by_split, leaked) -> manifests.Manifest:
    kinds = {split: collections.Counter() for split in by_split}
    for split, counts in kinds.items():
        for summary in by_split[split]:
            counts.update(summary.kinds)
    return manifests.Manifest(
        directory=directory,
        source=source.name,
        classes=source.classes,
        words=source.words,
        ids=source.ids,
        layout=sharding.choose_layout(source, settings['record_encoding']),
        settings=comparison.collect_settings(source, settings)
        | {'statistics': statistics.DEFINITION},
        splits={split: tuple(summary.shard for summary in by_split[split]) for split in by_split},
        expected=dict(source.expected),
        kinds={split: dict(sorted(counts.items())) for split, counts in kinds.items()},
        entries_sha256=comparison.hash_entries(source),
        statistics_sha256=files.compute_sha256(directory / manifests.STATISTICS),
        quarantined=sum(len(summary.bad) for split in by_split for summary in by_split[split]),
        leaked=leaked,
        versions={'tensorflow': importlib.metadata.version('tensorflow')},
    )
