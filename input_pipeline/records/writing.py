"""One shard of records, written from pictures, with a note of what went into it.

The note is written after the shard: who comes again finds what is finished.
"""

import collections
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from input_pipeline import errors, files
from input_pipeline.images import decoding, headers
from input_pipeline.prepare import statistics
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

NOTES = '.unfinished'
_FRAME = 16  # bytes around a record in its file
_DIGEST = 8  # bytes of a picture's sha256 that are kept


@dataclasses.dataclass(frozen=True)
class Content:
    """What is the same for all shards of a data set.

    Attributes:
        classes, words, ids: As of `entry.Found`.
        layout: How records hold pictures.
        exif_orientation: Whether pictures are turned as EXIF says.
    """

    classes: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]
    layout: manifests.Layout
    exif_orientation: bool


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard to write.

    Attributes:
        path: Of the shard.
        entries: What goes into it.
        content: Of all shards.
        summed: Whether its pictures count for the statistics.
        original: A file that holds these records already, and is linked to; '' for none.
    """

    path: pathlib.Path
    entries: Sequence[entries_lib.Entry]
    content: Content
    summed: bool
    original: str = ''

    def links_elsewhere(self) -> bool:
        """Whether the original has moved since it was linked to."""
        if not self.original:
            return False
        return not os.path.islink(self.path) or os.readlink(self.path) != self.original


@dataclasses.dataclass(frozen=True)
class Written:
    """One shard that was written.

    Attributes:
        shard: For the manifest.
        bad: (name, reason) of every picture that could not be read.
        kinds: Number of pictures read by kind; see `headers.check`.
        digests: The beginning of each entry's sha256, in hexadecimal; '' where it was not read.
    """

    shard: manifests.Shard
    bad: list[tuple[str, str]]
    kinds: dict[str, int]
    digests: list[str]


def content(found: entries_lib.Found, layout: manifests.Layout) -> Content:
    """Of a source's pictures."""
    return Content(found.classes, found.words, found.ids, layout, found.exif_orientation)


def write(task: Task, count: Callable[[], None]) -> Written:
    """Writes one shard, aside and then under its name; or finds that it is written.

    Args:
        task: What goes into it.
        count: Called after each picture.

    Raises:
        OSError, tf.errors.OpError: The disk is full or not writable.
    """
    note, identity = _note(task), _identity(task)
    found = _finished(task, note, identity)
    if found:
        for _ in task.entries:
            count()
        return found
    sums = statistics.Sums(task.content.layout.square_size) if task.summed else None
    with files.atomic_file(task.path) as aside:
        if task.original:
            aside.symlink_to(task.original)
            made = _read(_kept, task, sums, count, _ignore)
        else:
            with tf.io.TFRecordWriter(str(aside)) as writer:
                made = _read(_record, task, sums, count, writer.write)
        size, sha256 = files.size(aside), files.sha256(aside)
    bad, kinds, digests = made
    shard = manifests.Shard(task.path.name, kinds.total(), size, sha256)
    written = Written(shard, bad, dict(kinds), digests)
    if sums is not None:
        manifests.save_arrays(sums_of(task), sums.arrays())
    fields = {'identity': identity} | dataclasses.asdict(written)
    files.write_atomically(note, json.dumps(fields).encode())
    return written


def try_record(each: entries_lib.Entry, content: Content) -> int:
    """Number of bytes of a picture's record; 0 where it cannot be read."""
    try:
        return len(_record(each, each.read(), content, None)[1]) + _FRAME
    except (tf.errors.OpError, OSError, ValueError):
        return 0


def read_square(
    encoded: bytes, *, exif_orientation: bool, square_size: int = decoding.SQUARE_SIZE
) -> tf.Tensor:
    """The picture as records hold it, (square_size, square_size, 3) uint8.

    Raises:
        ValueError: Not a picture, or one so large that decoding it could exhaust the memory.
        tf.errors.OpError: A broken picture.
    """
    headers.check(encoded)
    orientation = headers.orientation(encoded) if exif_orientation else 1
    return decoding.square_of(encoded, orientation, square_size)


def sums_of(task: Task) -> pathlib.Path:
    """Where the sums of a task's pictures are, while the data set is unfinished."""
    return task.path.parent / NOTES / f'{task.path.name}.npz'


def _read(make, task: Task, sums, count, write):
    """Makes records of a task's pictures and writes them: (bad, kinds, digests) of `Written`."""
    bad, kinds, digests = [], collections.Counter(), []
    for each in task.entries:
        try:
            given = each.read()
            kind, record = make(each, given, task.content, sums)
        except (tf.errors.OpError, OSError, ValueError) as error:
            bad.append((each.name, errors.reason(error)))
            digests.append('')
        else:
            write(record)
            kinds[kind] += 1
            digests.append(hashlib.sha256(given).hexdigest()[: 2 * _DIGEST])
        count()
    return bad, kinds, digests


def _kept(_each, given: bytes, _content, sums) -> tuple[str, bytes]:
    """The kind of a picture that stays in its record, which isn't made; it is added to the sums."""
    kind = headers.check(given)
    stored = tf.io.decode_jpeg(given, channels=decoding.CHANNELS, dct_method=decoding.DCT)
    if sums is not None:
        sums.add(stored.numpy())
    return kind, b''


def _ignore(_) -> None:
    pass


def _record(each: entries_lib.Entry, given: bytes, content: Content, sums) -> tuple[str, bytes]:
    """The picture's kind, and its record; what is stored is added to the sums, if any."""
    kind, size = headers.check(given), content.layout.square_size
    orientation = headers.orientation(given) if content.exif_orientation else 1
    jpeg = content.layout.encoding == 'jpeg'
    made = (decoding.jpeg_of if jpeg else decoding.square_of)(given, orientation, size)
    if sums is not None:
        stored = tf.io.decode_jpeg(made, dct_method=decoding.DCT) if jpeg else made
        sums.add(stored.numpy())
    name = content.classes[each.label].encode()
    words = content.words[each.label].encode() if content.words else name
    features = {
        'image/encoded': [made.numpy() if jpeg else made.numpy().tobytes()],
        'image/format': [b'JPEG' if jpeg else b'RAW'],
        'image/colorspace': [b'RGB'],
        'image/height': [size],
        'image/width': [size],
        'image/channels': [decoding.CHANNELS],
        'image/filename': [each.name.encode(errors='surrogateescape')],
        'image/class/label': [each.label],
        'image/class/synset': [name],
        'image/class/text': [words],
    }
    if content.ids:
        features['image/class/ilsvrc_id'] = [content.ids[each.label]]
    made = {key: _feature(value) for key, value in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=made))
    return kind, example.SerializeToString(deterministic=True)


def _feature(values: list) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _note(task: Task) -> pathlib.Path:
    return task.path.parent / NOTES / f'{task.path.name}.json'


def _identity(task: Task) -> str:
    """A hash of all that decides what the shard holds, but for the pictures themselves."""
    digest = hashlib.sha256(_of_content(task.content))
    for each in task.entries:
        digest.update(f'\n{each.identity()}'.encode(errors='surrogateescape'))
    return digest.hexdigest()


@functools.lru_cache(1)
def _of_content(content: Content) -> bytes:
    return json.dumps([manifests.FORMAT_VERSION, dataclasses.asdict(content)]).encode()


def _finished(task: Task, note: pathlib.Path, identity: str) -> Written | None:
    try:
        fields = json.loads(note.read_bytes())
        if fields.pop('identity') != identity:
            return None
        shard = manifests.Shard(**fields.pop('shard'))
        if files.sha256(task.path) != shard.sha256 or task.summed > sums_of(task).exists():
            return None
        if task.links_elsewhere():
            return None
        bad = [tuple(each) for each in fields.pop('bad')]
        unread = {name for name, _ in bad}
        # What could not be read may have been mended.
        if any(try_record(each, task.content) for each in task.entries if each.name in unread):
            return None
        return Written(shard, bad, **fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # what is not whole is written again
