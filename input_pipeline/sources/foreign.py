"""TFRecords that other programs wrote: TF-slim's and the TPU models' ImageNet, or
tensorflow-datasets'."""

import collections
import dataclasses
import pathlib
import re

import tensorflow as tf

from input_pipeline import errors, records
from input_pipeline.sources import entry, synsets

NAME = 'records'
_SLIM = re.compile(r'(train|validation|test)-\d{5}-of-\d{5}')
_TFDS = re.compile(r'\w+-(train|validation|test)\.tfrecord-\d{5}-of-\d{5}')
_NAMES = 'label.labels.txt'  # of tensorflow-datasets
_FRAME, _HEAD = 16, 12  # bytes around a record, and those in front


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a record, as an entry reads it."""

    path: str
    offset: int
    size: int
    feature: str

    def __call__(self) -> bytes:
        with open(self.path, 'rb') as file:
            file.seek(self.offset)
            example = tf.train.Example.FromString(file.read(self.size))
        return example.features.feature[self.feature].bytes_list.value[0]


@dataclasses.dataclass(frozen=True)
class _Row:
    split: str
    name: str
    label: int
    synset: str
    words: str
    picture: Picture


def recognises(root: pathlib.Path) -> str:
    """Why a folder is taken for such records; '' where it is not."""
    for path in root.iterdir():
        if _SLIM.fullmatch(path.name) or _TFDS.fullmatch(path.name):
            return f'{path.name} is in it'
    return ''


def find(source_dir: str) -> entry.Found:
    """The pictures in a folder of records.

    Labels that begin with 1, as TF-slim's, are made to begin with 0: by the WNIDs beside them
    where those are there.

    Args:
        source_dir: Holds files such as 'train-00000-of-01024' or
            'flowers-train.tfrecord-00000-of-00002', of training and of another split.

    Raises:
        DataError: No such files, a damaged one, or labels that make no sense.
    """
    root = pathlib.Path(source_dir)
    rows = [row for path, split in _shards(root) for row in _rows(path, split)]
    if not rows:
        raise errors.DataError(f'{root} holds no records of the kinds that --source=records reads.')
    offset, classes, words, how = _labels(root, rows)
    splits = {}
    for row in rows:
        splits.setdefault(row.split, []).append(
            entry.Entry(row.name, row.label - offset, row.picture)
        )
    if set(splits) == {records.TRAIN}:
        raise errors.DataError(
            f'{root} holds training records only. Put those of validation beside them, or prepare '
            'from the pictures.'
        )
    splits.setdefault(records.VALIDATION, splits.get(records.TEST, []))
    if splits.get(records.TEST) is splits[records.VALIDATION]:
        del splits[records.TEST]
    return entry.Found(
        NAME, f'{root}: records of another program, {how}', classes, splits, words=words
    )


def _shards(root) -> list[tuple[pathlib.Path, str]]:
    found = [
        (path, _SLIM.fullmatch(path.name) or _TFDS.fullmatch(path.name))
        for path in sorted(root.iterdir())
    ]
    return [(path, match.group(1)) for path, match in found if match]


def _rows(path, split: str):
    offset = 0
    try:
        for at, record in enumerate(tf.data.TFRecordDataset(str(path))):
            data = record.numpy()
            yield _row(path, split, at, data, offset + _HEAD)
            offset += _FRAME + len(data)
    except tf.errors.OpError as error:
        raise errors.DataError(f'{path} is damaged ({errors.reason(error)}).') from error


def _row(path, split, at: int, data: bytes, offset: int) -> _Row:
    features = dict(tf.train.Example.FromString(data).features.feature)
    slim = 'image/encoded' in features
    image, label = ('image/encoded', 'image/class/label') if slim else ('image', 'label')
    none = tf.train.Feature()
    pictures = features.get(image, none).bytes_list.value
    labels = features.get(label, none).int64_list.value
    if not pictures or not labels:
        raise errors.DataError(
            f'{path}: record {at} has the features {", ".join(sorted(features))}; '
            'image/encoded and image/class/label are wanted, or image and label.'
        )

    def text(feature: str) -> str:
        values = features[feature].bytes_list.value if feature in features else ()
        return values[0].decode() if values else ''

    return _Row(
        split,
        f'{path.name}/{at:06d}',
        labels[0],
        text('image/class/synset'),
        text('image/class/text'),
        Picture(str(path), offset, len(data), image),
    )


def _labels(root, rows) -> tuple[int, tuple[str, ...], tuple[str, ...], str]:
    """(what labels begin with, classes, words, how they were found)."""
    lowest, highest = min(row.label for row in rows), max(row.label for row in rows)
    named = {row.synset: row.words for row in rows if row.synset}
    if named and all(row.synset for row in rows):
        classes = (
            synsets.of_names(named, named) if all(map(synsets.WNID.fullmatch, named)) else None
        )
        names = classes.wnids if classes else tuple(sorted(named))
        offsets = collections.Counter(row.label - names.index(row.synset) for row in rows)
        if len(offsets) > 1:
            raise errors.DataError(
                f'{root}: labels do not follow the sorted names of classes; '
                f'{named and sorted(named)[0]} first. Some classes may have no records.'
            )
        (offset,) = offsets
        return offset, names, classes.words if classes else (), f'labels begin with {offset}'
    if (root / _NAMES).is_file():
        names = tuple((root / _NAMES).read_text().split('\n'))
        names = names[:-1] if names[-1] == '' else names
        if not 0 <= lowest <= highest < len(names):
            raise errors.DataError(
                f'{root}: labels from {lowest} to {highest}, but {_NAMES} names {len(names)}.'
            )
        return 0, names, (), f'names from {_NAMES}'
    if lowest < 0 or lowest > 1:
        raise errors.DataError(f'{root}: labels begin with {lowest}; 0 or 1 was expected.')
    digits = len(str(highest))
    names = tuple(f'{label:0{digits}d}' for label in range(lowest, highest + 1))
    return lowest, names, (), f'labels begin with {lowest}, classes have no names'
