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
from input_pipeline.images import decoding, foreign_formats, headers
from input_pipeline.images import rendering as rendering_lib
from input_pipeline.prepare import statistics
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

UNFINISHED_DIR = '.unfinished'
_FRAME_BYTES = 16  # around a record in its file
_DIGEST_DIGITS = 16  # of an image's sha256 that are kept
_UNREADABLE = (tf.errors.OpError, OSError, ValueError)


@dataclasses.dataclass(frozen=True)
class RecordFormat:
    """What all records of a data set have in common.

    Attributes:
        classes: Class names in label order.
        words: Meanings of the classes, if their names do not say it.
        ids: ILSVRC ids of the classes, if they have some.
        layout: How records hold images.
        rendering: How files become pixels.
    """

    classes: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]
    layout: manifests.Layout
    rendering: rendering_lib.Rendering


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to write.

    Attributes:
        path: Path of the shard.
        split: The split that it belongs to.
        entries: The images that go into it.
        record_format: The format of its records.
        original: A file that already holds these records and is linked to, or ''.
    """

    path: pathlib.Path
    split: str
    entries: Sequence[entries_lib.Entry]
    record_format: RecordFormat
    original: str = ''

    @property
    def is_training(self) -> bool:
        """Whether the pixels count for the statistics."""
        return self.split == manifests.TRAIN

    @property
    def is_link_outdated(self) -> bool:
        """Whether the shard should be a link to `original` and is not."""
        if not self.original:
            return False
        return not os.path.islink(self.path) or os.readlink(self.path) != self.original

    @property
    def sums_path(self) -> pathlib.Path:
        """Where the sums of the pixels are while the data set is unfinished."""
        return self.path.parent / UNFINISHED_DIR / f'{self.path.name}.npz'

    @property
    def note_path(self) -> pathlib.Path:
        """Where the summary is while the data set is unfinished."""
        return self.path.parent / UNFINISHED_DIR / f'{self.path.name}.json'

    @property
    def identity(self) -> str:
        """A hash of all that decides what the shard holds, except the images' content."""
        shared = [manifests.FORMAT_VERSION, dataclasses.asdict(self.record_format)]
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
    sums = statistics.PixelSums(square_size) if task.is_training else None
    with files.atomic_file(task.path) as temporary:
        if task.original:
            temporary.symlink_to(task.original)
            contents = _convert_entries(task, sums, lambda _: None, count)
        else:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                contents = _convert_entries(task, sums, writer.write, count)
        size, sha256 = files.get_size(temporary), files.compute_sha256(temporary)
    shard = manifests.Shard(task.path.name, sum(contents['kinds'].values()), size, sha256)
    summary = ShardSummary(shard, **contents)
    if sums is not None:
        manifests.save_arrays(task.sums_path, sums.to_arrays())
    note = {'identity': identity} | dataclasses.asdict(summary)
    files.write_atomically(task.note_path, json.dumps(note).encode())
    return summary


def measure_record(entry: entries_lib.Entry, record_format: RecordFormat) -> int:
    """Makes an image's record and returns its bytes in a file; 0 if the image cannot be read."""
    try:
        return len(_make_record(entry, entry.read(), record_format, None)[2]) + _FRAME_BYTES
    except _UNREADABLE:
        return 0


def decode_square(
    encoded: bytes, rendering: rendering_lib.Rendering, square_size: int = decoding.SQUARE_SIZE
) -> tf.Tensor:
    """Decodes an image as records hold it.

    Args:
        encoded: The encoded image, of any kind that `headers.check` accepts.
        rendering: How it becomes pixels.
        square_size: Side of the result.

    Returns:
        (square_size, square_size, 3) uint8 RGB.

    Raises:
        ValueError: Not an image, or one so large that decoding it could exhaust the memory.
        tf.errors.OpError: The image is damaged.
    """
    return _decode_checked(encoded, rendering, square_size)[2]


def _decode_checked(encoded: bytes, rendering: rendering_lib.Rendering, square_size: int):
    """The kind of an image, what was done to it beside decoding it, and its square."""
    converted, encoded = foreign_formats.convert(encoded, headers.MAX_PIXELS)
    kind = headers.check(encoded)
    square, treatments = rendering_lib.render_square(encoded, rendering, square_size)
    treatments = (f'converted: {converted}', *treatments) if converted else treatments
    return converted or kind, treatments, square


def _convert_entries(
    task: ShardTask, sums, write: Callable[[bytes], None], count
) -> dict[str, Any]:
    """Converts a task's images and writes their records; returns fields of the summary."""
    convert = _check_record if task.original else _make_record
    bad, kinds, digests, counts = [], collections.Counter(), [], {}
    for entry in task.entries:
        try:
            encoded = entry.read()
            kind, treatments, record = convert(entry, encoded, task.record_format, sums)
        except _UNREADABLE as error:
            bad.append((entry.name, errors.describe(error)))
            digests.append('')
        else:
            write(record)
            kinds[kind] += 1
            for treatment in treatments:
                tally.add(counts, treatment, entry.name)
            digests.append(hashlib.sha256(encoded).hexdigest()[:_DIGEST_DIGITS])
        count()
    return {'bad': bad, 'kinds': dict(kinds), 'digests': digests, 'treatments': counts}


def _check_record(_entry, encoded: bytes, _record_format, sums) -> tuple[str, tuple, bytes]:
    """The kind of an image that stays in its record, and no record; adds to the sums, if any."""
    kind = headers.check(encoded)
    square = tf.io.decode_jpeg(encoded, channels=decoding.CHANNELS, dct_method=decoding.DCT_METHOD)
    if sums is not None:
        sums.add(square.numpy())
    return kind, (), b''


def _make_record(entry, encoded: bytes, record_format: RecordFormat, sums):
    """The kind of an image, what was done to it, and its record; adds to the sums, if any."""
    layout, is_jpeg = record_format.layout, record_format.layout.encoding == 'jpeg'
    kind, treatments, square = _decode_checked(encoded, record_format.rendering, layout.square_size)
    stored = decoding.encode_jpeg(square).numpy() if is_jpeg else square.numpy().tobytes()
    if sums is not None:
        if is_jpeg:  # which changes pixels
            square = tf.io.decode_jpeg(stored, dct_method=decoding.DCT_METHOD)
        sums.add(square.numpy())
    return kind, treatments, _serialize(entry, stored, record_format)


def _serialize(entry: entries_lib.Entry, stored: bytes, record_format: RecordFormat) -> bytes:
    size = record_format.layout.square_size
    name = record_format.classes[entry.label].encode()
    words = record_format.words[entry.label].encode() if record_format.words else name
    features = {
        'image/encoded': stored,
        'image/format': b'RAW' if record_format.layout.encoding == 'raw' else b'JPEG',
        'image/colorspace': b'RGB',
        'image/height': size,
        'image/width': size,
        'image/channels': decoding.CHANNELS,
        'image/filename': entry.name.encode(errors='surrogateescape'),
        'image/class/label': entry.label,
        'image/class/synset': name,
        'image/class/text': words,
    }
    if record_format.ids:
        features['image/class/ilsvrc_id'] = record_format.ids[entry.label]
    feature = {name: _make_feature(value) for name, value in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def _make_feature(value: bytes | int) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _load_if_finished(task: ShardTask, identity: str) -> ShardSummary | None:
    try:
        note = json.loads(task.note_path.read_bytes())
        if note.pop('identity') != identity:
            return None
        shard = manifests.Shard(**note.pop('shard'))
        has_sums = task.sums_path.exists() or not task.is_training
        if not has_sums or task.is_link_outdated or files.compute_sha256(task.path) != shard.sha256:
            return None
        bad = [tuple(row) for row in note.pop('bad')]
        unreadable = {name for name, _ in bad}
        # An image that could not be read may have been repaired.
        if any(
            measure_record(entry, task.record_format)
            for entry in task.entries
            if entry.name in unreadable
        ):
            return None
        return ShardSummary(shard, bad, **note)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged note or shard is written again
