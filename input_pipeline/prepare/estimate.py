"""What preparing a data set would take, by some of its pictures tried in memory."""

import dataclasses
import errno
import math
import os
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Any

from input_pipeline import files
from input_pipeline.prepare import conversion, sharding
from input_pipeline.records import manifests, writing
from input_pipeline.sources import entries as entries_lib

_TRIED, _TRIED_FOR_ROOM = 64, 8  # pictures


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What it takes.

    Attributes:
        encoding: How records hold pictures.
        in_place: Whether they stay where they are.
        files: Number of shards.
        bytes: Of all records.
        free_bytes: On the disk of the directory; infinite in an object store.
        workers: Number of processes.
        secs: To expect.
        sampled: Number of pictures tried.
        unreadable: Those of them that could not be read.
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


def estimate(
    found: entries_lib.Found,
    data_dir: str,
    settings: Mapping[str, Any],
    workers: int,
    tried: int = _TRIED,
) -> Estimate:
    """The estimate for `convert.prepare` with the same arguments; nothing is written."""
    every = [each for entries in found.splits.values() for each in entries]
    chosen = every[:: max(1, len(every) // tried)][:tried]
    planned = sharding.of(files.at(data_dir), found, settings)
    first = planned[manifests.TRAIN][0]
    content = first.content
    writing.try_record(chosen[0], content)  # the first call is for TensorFlow to begin
    start = time.perf_counter()
    sizes = [writing.try_record(each, content) for each in chosen]
    each_secs = (time.perf_counter() - start) / len(chosen)
    good = [size for size in sizes if size]
    workers = conversion.workers_for(len(every), workers)
    return Estimate(
        encoding=content.layout.encoding,
        in_place=bool(first.original),
        files=sum(map(len, planned.values())),
        bytes=0 if first.original else int(len(every) * sum(good) / max(1, len(good))),
        free_bytes=_free(data_dir),
        workers=workers,
        secs=each_secs * len(every) / min(workers, os.cpu_count() or 1),
        sampled=len(chosen),
        unreadable=len(sizes) - len(good),
    )


def check_room(found: entries_lib.Found, data_dir: str, settings: Mapping[str, Any]) -> None:
    """Refuses what the disk will not hold, before the work begins.

    Raises:
        OSError: ENOSPC, with what is needed and what is free.
    """
    needed = estimate(found, data_dir, settings, 1, _TRIED_FOR_ROOM)
    directory = files.at(data_dir)
    made = (path for path in directory.glob('*.tfrecord') if not os.path.islink(path))
    there = sum(map(files.size, made))
    if needed.bytes > needed.free_bytes + there:
        raise OSError(
            errno.ENOSPC,
            f'the records need about {needed.bytes / 1e9:,.2f} GB, '
            f'{needed.free_bytes / 1e9:,.2f} are free',
            data_dir,
        )


def _free(data_dir: str) -> float:
    if files.is_remote(data_dir):
        return math.inf
    return shutil.disk_usage(_standing(pathlib.Path(data_dir))).free


def _standing(path: pathlib.Path) -> pathlib.Path:
    """The path, or the nearest folder above it that there is."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())
