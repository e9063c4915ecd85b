"""Writes one shard of records from images, with a note of what went into it.

The note is written after the shard: an interrupted preparation finds what is finished.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from input_pipeline import errors, files, tally
from input_pipeline.records import converting, manifests, statistics
from input_pipeline.sources import entries as entries_lib

UNFINISHED_DIR = '.unfinished'


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write.

    Attributes:
        path: Path of the shard.
        split: The split that it belongs to.
        entries: The images that go into it.
        record_format: The format of its records.
        sampled: Number of images, the first ones, whose pixels count for the statistics.
        original: A file that already holds these records and is linked to, or ''.
    """

    path: pathlib.Path
    split: str
    entries: Sequence[entries_lib.Entry]
    record_format: converting.RecordFormat
    sampled: int = 0
    original: str = ''

    @property
    def is_link_outdated(self) -> bool:
        """Whether the shard should be a link to `original` and is not."""
        if not self.original:
            return False
        return not os.path.islink(self.path) or os.readlink(self.path) != self.original

    @property
    def sums_path(self) -> pathlib.Path:
        """Path of the sums of the pixels while the data set is unfinished."""
        return self.path.parent / UNFINISHED_DIR / f'{self.path.name}.npz'

    @property
    def note_path(self) -> pathlib.Path:
        """Path of the summary while the data set is unfinished."""
        return self.path.parent / UNFINISHED_DIR / f'{self.path.name}.json'

    @property
    def identity(self) -> str:
        """A hash of all that determines the shard and its sums, except the images' content."""
        record_format = dataclasses.asdict(self.record_format)
        shared = [manifests.FORMAT_VERSION, record_format, self.sampled]
        digest = hashlib.sha256(json.dumps(shared).encode())
        for entry in self.entries:
            digest.update(f'\n{entry.identity}'.encode(errors='surrogateescape'))
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class ShardSummary:
    """A shard that was written.

    Attributes:
        shard: Its row of the manifest.
        bad: (name, reason) of every image that could not be read.
        kinds: Number of readable images by kind; see `headers.check`.
        digests: The first digits of each image's sha256; '' for one that could not be read.
        treatments: What was done to images beside decoding them, such as to turn them upright; by
            kind, the number of images and the first one's name.
    """

    shard: manifests.Shard
    bad: list[tuple[str, str]]
    kinds: dict[str, int]
    digests: list[str]
    treatments: tally.Counts


def write_shard(task: ShardTask, count: Callable[[], None]) -> ShardSummary:
    """Writes a shard, unless a previous call finished it.

    Args:
        task: What goes into it.
        count: Called after each image.

    Raises:
        OSError, tf.errors.OpError: The disk is full or not writable.
    """
    identity = task.identity
    if finished := _load_if_finished(task, identity):
        for _ in task.entries:
            count()
        return finished
    square_size = task.record_format.layout.square_size
    sums = statistics.PixelSums(square_size) if task.sampled else None
    with files.atomic_file(task.path) as temporary, tf.device('/CPU:0'):
        if task.original:
            temporary.symlink_to(task.original)
            contents = _write_records(task, sums, lambda _: None, count)
        else:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                contents = _write_records(task, sums, writer.write, count)
        size, sha256 = files.get_size(temporary), files.compute_sha256(temporary)
    shard = manifests.Shard(task.path.name, sum(contents['kinds'].values()), size, sha256)
    summary = ShardSummary(shard, **contents)
    if sums is not None:
        manifests.save_arrays(task.sums_path, sums.to_arrays())
    note = {'identity': identity} | dataclasses.asdict(summary)
    files.write_atomically(task.note_path, json.dumps(note).encode())
    return summary


def _write_records(task: ShardTask, sums, write: Callable[[bytes], None], count) -> dict[str, Any]:
    """Converts a task's images and writes their records; returns fields of the summary."""
    bad, kinds, digests, counts = [], collections.Counter(), [], {}
    images = converting.convert_all(
        task.entries,
        task.record_format,
        sums=sums,
        sampled=task.sampled,
        stays=bool(task.original),
    )
    for entry, image in zip(task.entries, images, strict=True):
        if isinstance(image, Exception):
            bad.append((entry.name, errors.describe(image)))
            digests.append('')
        else:
            write(image.record)
            kinds[image.kind] += 1
            for treatment in image.treatments:
                tally.add(counts, treatment, entry.name)
            digests.append(image.digest)
        count()
    return {'bad': bad, 'kinds': dict(kinds), 'digests': digests, 'treatments': counts}


def _load_if_finished(task: ShardTask, identity: str) -> ShardSummary | None:
    try:
        note = json.loads(task.note_path.read_bytes())
        if note.pop('identity') != identity:
            return None
        shard = manifests.Shard(**note.pop('shard'))
        has_sums = task.sums_path.exists() or not task.sampled
        if not has_sums or task.is_link_outdated or files.compute_sha256(task.path) != shard.sha256:
            return None
        bad = [tuple(row) for row in note.pop('bad')]
        unreadable = {name for name, _ in bad}
        # An image that could not be read may have been repaired.
        suspects = [entry for entry in task.entries if entry.name in unreadable]
        if any(
            isinstance(image, converting.Converted)
            for image in converting.convert_all(suspects, task.record_format)
        ):
            return None
        return ShardSummary(shard, bad, **note)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged note or shard is written again
