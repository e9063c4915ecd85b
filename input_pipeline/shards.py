"""One shard of records, written from pictures."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from input_pipeline import errors, files, headers, pictures, records
from input_pipeline.sources import entry


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard to write."""

    path: pathlib.Path
    entries: Sequence[entry.Entry]
    classes: tuple[str, ...]
    encoding: str


def write(task: Task, count: Callable[[], None]) -> tuple[records.Shard, list[tuple[str, str]]]:
    """Writes one shard, aside and then under its name.

    Args:
        task: What goes into it.
        count: Called after each picture.

    Returns:
        The shard, and (name, reason) of every picture that could not be read.

    Raises:
        OSError, tf.errors.OpError: The disk is full or not writable.
    """
    bad, number = [], 0
    with files.atomic_file(task.path) as aside:
        with tf.io.TFRecordWriter(str(aside)) as writer:
            for each in task.entries:
                try:
                    record = _example(each, task)
                except (tf.errors.OpError, OSError, ValueError) as error:
                    bad.append((each.name, errors.reason(error)))
                else:
                    writer.write(record)
                    number += 1
                count()
        size, digest = aside.stat().st_size, files.sha256(aside)
    return records.Shard(task.path.name, number, size, digest), bad


def read_square(encoded: bytes) -> tf.Tensor:
    """The picture as records hold it, (256, 256, 3) uint8.

    Raises:
        ValueError: Not a picture, or one so large that decoding it could exhaust the memory.
        tf.errors.OpError: A broken picture.
    """
    headers.check(encoded)
    return pictures.square_of(encoded)


def _example(each: entry.Entry, task: Task) -> bytes:
    jpeg, given = task.encoding == 'jpeg', each.read()
    if jpeg:
        headers.check(given)
        encoded = pictures.jpeg_of(given).numpy()
    else:
        encoded = read_square(given).numpy().tobytes()
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
