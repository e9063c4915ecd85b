"""Estimates what preparing a data set takes, from some of its images tried in memory."""

import dataclasses
import errno
import math
import os
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline import cores, files
from input_pipeline.prepare import sharding
from input_pipeline.records import converting, framing, statistics, writing
from input_pipeline.sources import entries as entries_lib

_SAMPLED, _SAMPLED_FOR_SPACE = 64, 8  # images


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What preparing a data set takes.

    Attributes:
        encoding: How records hold images, 'jpeg', 'raw' or 'reference'.
        in_place: Whether the source's own records are linked to.
        files: Number of shards.
        bytes: Size of all records that are written.
        free_bytes: Free space on the disk of the data directory; infinite in an object store.
        workers: Number of threads.
        secs: Expected duration.
        sampled: Number of images that were tried.
        unreadable: Number of them that could not be read.
    """

    encoding: str
    in_place: bool
    files: int
    bytes: int
    free_bytes: float
    workers: int
    secs: float
    sampled: int
    unreadable: int


def estimate_preparation(
    source: entries_lib.Source,
    data_dir: str,
    settings: Mapping[str, Any],
    workers: int,
) -> Estimate:
    """Estimates `conversion.prepare` with the same arguments; writes nothing."""
    tasks = sharding.plan_shards(files.as_path(data_dir), source, settings)
    total, first = sum(map(len, source.splits.values())), tasks[0]
    sample = _choose_sample(source, _SAMPLED)
    _measure_records(sample[:1], first, is_counted=True)  # the first call compiles
    sizes, secs = _measure_records(sample, first, is_counted=False)
    _, counted_secs = _measure_records(sample, first, is_counted=True)
    counted = sum(task.sampled for task in tasks)
    secs = secs * (total - counted) + counted_secs * counted
    workers = workers or cores.count_cores()
    return Estimate(
        encoding=first.record_format.layout.encoding,
        in_place=bool(first.original),
        files=len(tasks),
        bytes=_estimate_bytes(first, sizes, total),
        free_bytes=_measure_free_space(data_dir),
        workers=workers,
        secs=secs / min(workers, cores.count_cores()),
        sampled=len(sample),
        unreadable=sizes.count(0),
    )


def _choose_sample(source: entries_lib.Source, most: int) -> list[entries_lib.Entry]:
    """Chooses images that are spread evenly over a source."""
    entries = [entry for members in source.splits.values() for entry in members]
    return entries[:: max(1, len(entries) // most)][:most]


def _estimate_bytes(task: writing.ShardTask, sizes: Sequence[int], total: int) -> int:
    """Estimates the bytes of all records from those of a sample, 0 for each unreadable image."""
    readable = [size for size in sizes if size]
    return 0 if task.original else int(total * sum(readable) / max(1, len(readable)))


def _measure_records(
    sample: Sequence[entries_lib.Entry], task: writing.ShardTask, *, is_counted: bool
) -> tuple[list[int], float]:
    """Measures the sizes of records as a task makes them, and the seconds per record.

    Args:
        sample: The images.
        task: The task.
        is_counted: Whether their pixels count for the statistics.
    """
    size, start = task.record_format.layout.square_size, time.perf_counter()
    images = converting.convert_all(
        sample,
        task.record_format,
        sums=statistics.PixelSums(size) if is_counted else None,
        sampled=len(sample) if is_counted else 0,
        stays=bool(task.original),
    )
    sizes = [
        0 if isinstance(image, Exception) else len(image.record) + framing.FRAME_BYTES
        for image in images
    ]
    return sizes, (time.perf_counter() - start) / len(sample)


def check_disk_space(source: entries_lib.Source, data_dir: str, settings: Mapping) -> None:
    """Checks that the records will fit on the disk, before they are written.

    Raises:
        OSError: ENOSPC, with the needed and the free space.
    """
    task = sharding.plan_shards(files.as_path(data_dir), source, settings)[0]
    sizes, _ = _measure_records(_choose_sample(source, _SAMPLED_FOR_SPACE), task, is_counted=False)
    needed = _estimate_bytes(task, sizes, sum(map(len, source.splits.values())))
    free = _measure_free_space(data_dir)
    previous = files.as_path(data_dir).glob('*.tfrecord')
    reusable = sum(files.get_size(path) for path in previous if not os.path.islink(path))
    if needed > free + reusable:
        raise OSError(
            errno.ENOSPC,
            f'the records need about {needed / 1e9:,.2f} GB, {free / 1e9:,.2f} GB are free',
            data_dir,
        )


def _measure_free_space(data_dir: str) -> float:
    if files.is_remote(data_dir):
        return math.inf
    path = pathlib.Path(data_dir).absolute()
    existing = next(folder for folder in (path, *path.parents) if folder.is_dir())
    return shutil.disk_usage(existing).free
