"""TFRecords that other programs wrote: TF-slim's and the TPU models' ImageNet, or
tensorflow-datasets'."""

import collections
import dataclasses
import pathlib
import re

import tensorflow as tf
from google.protobuf import message

from input_pipeline import errors, files
from input_pipeline.images import headers
from input_pipeline.records import manifests
from input_pipeline.sources import entries, synsets

NAME = 'records'
_SLIM = re.compile(r'(train|validation|test)-(\d{5})-of-(\d{5})')
_TFDS = re.compile(r'\w+-(train|validation|test)\.tfrecord-(\d{5})-of-(\d{5})')
_NAMES = ('label.labels.txt', 'labels.txt')  # of tensorflow-datasets, and of TF-slim
_SIZE, _JPEG = manifests.Layout.square_size, b'\xff\xd8\xff'
_MOST_IN_A_FILE = 8192
_FRAME, _HEAD = 16, 12  # bytes around a record, and those in front


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a record, as an entry reads it."""

    path: str
    offset: int
    size: int
    feature: str

    def __call__(self) -> bytes:
        with files.at(self.path).open('rb') as file:
            file.seek(self.offset)
            data = file.read(self.size)
        try:
            example = tf.train.Example.FromString(data)
            return example.features.feature[self.feature].bytes_list.value[0]
        except (message.DecodeError, IndexError) as error:
            raise ValueError(f'{self.path} has changed since it was looked at') from error


@dataclasses.dataclass(frozen=True)
class _Row:
    split: str
    name: str
    label: int
    synset: str
    words: str
    picture: Picture
    layout: manifests.Layout | None  # of a record that can be used as it is


def recognises(root: pathlib.Path) -> str:
    """Why a folder is taken for such records; '' where it is not."""
    for path in root.iterdir():
        if _SLIM.fullmatch(path.name) or _TFDS.fullmatch(path.name):
            return f'{path.name} is in it'
    return ''


def find(source_dir: str) -> entries.Found:
    """The pictures in a folder of records.

    Labels that begin with 1, as TF-slim's, are made to begin with 0: by the WNIDs beside them
    where those are there.

    Args:
        source_dir: Holds files such as 'train-00000-of-01024' or
            'flowers-train.tfrecord-00000-of-00002', of training and of another split.

    Raises:
        DataError: No such files, a damaged one, or labels that make no sense.
    """
    root = files.at(source_dir)
    rows = [row for path, split in _shards(root) for row in _rows(path, split)]
    if not rows:
        raise errors.DataError(f'{root} holds no records of the kinds that --source=records reads.')
    offset, classes, words, how = _labels(root, rows)
    splits = {}
    for row in rows:
        splits.setdefault(row.split, []).append(
            entries.Entry(row.name, row.label - offset, row.picture)
        )
    if manifests.TRAIN not in splits:
        raise errors.DataError(f'{root} holds no training records.')
    if set(splits) == {manifests.TRAIN}:
        raise errors.DataError(
            f'{root} holds training records only. Put those of validation beside them, or prepare '
            'from the pictures.'
        )
    splits.setdefault(manifests.VALIDATION, splits.get(manifests.TEST, []))
    if splits.get(manifests.TEST) is splits[manifests.VALIDATION]:
        del splits[manifests.TEST]
    kept = None
    if not files.is_remote(root) and _can_stay(rows, len(classes)):
        kept = dataclasses.replace(rows[0].layout, first_label=offset)
    return entries.Found(
        NAME,
        f'{root}: records of another program, {how}',
        classes,
        splits,
        words=words,
        in_place=kept,
    )


def _can_stay(rows, classes: int) -> bool:
    """Whether records can be trained on as they are: of one layout, in small and mixed files.

    A file is read whole and shuffled with those beside it, so it must not be large, nor hold few
    classes.
    """
    if rows[0].layout is None or len({row.layout for row in rows}) > 1:
        return False
    labels = collections.defaultdict(list)
    for row in rows:
        if row.split == manifests.TRAIN:
            labels[row.picture.path].append(row.label)
    for each in labels.values():
        by_chance = classes * (1 - (1 - 1 / classes) ** len(each))
        if len(each) > _MOST_IN_A_FILE or len(set(each)) < by_chance / 2:
            return False
    return True


def _shards(root) -> list[tuple[pathlib.Path, str]]:
    found = [
        (path, _SLIM.fullmatch(path.name) or _TFDS.fullmatch(path.name))
        for path in sorted(root.iterdir())
    ]
    matched = [(path, match) for path, match in found if match]
    for split in sorted({match.group(1) for _, match in matched}):
        numbers = [match.group(2, 3) for _, match in matched if match.group(1) == split]
        wanted = int(numbers[0][1])
        if [(int(at), int(of)) for at, of in numbers] != [(at, wanted) for at in range(wanted)]:
            raise errors.DataError(
                f'{root} holds {len(numbers)} shards of {split} where their names say {wanted}. '
                'Fetch the others, and keep shards of other sets elsewhere.'
            )
    return [(path, match.group(1)) for path, match in matched]


def _rows(path, split: str):
    offset = 0
    try:
        for at, record in enumerate(tf.data.TFRecordDataset(str(path))):
            data = record.numpy()
            yield _row(path, split, at, data, offset + _HEAD)
            offset += _FRAME + len(data)
    except (tf.errors.OpError, message.DecodeError, UnicodeDecodeError) as error:
        raise errors.DataError(
            f'{path} is damaged, or holds no tf.train.Example ({errors.reason(error)}).'
        ) from error


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
        manifests.Layout('jpeg', _SIZE, image, label) if _is_stored(pictures, labels) else None,
    )


def _is_stored(pictures, labels) -> bool:
    """Whether a record holds one picture as this program would store it, and one label."""
    try:
        return (
            len(pictures) == len(labels) == 1
            and pictures[0].startswith(_JPEG)
            and headers.size(pictures[0]) == (_SIZE, _SIZE)
        )
    except (ValueError, tf.errors.OpError):
        return False


def _labels(root, rows) -> tuple[int, tuple[str, ...], tuple[str, ...], str]:
    """(what labels begin with, classes, words, how they were found)."""
    named = {row.synset: row.words for row in rows if row.synset}
    if named:
        first, names, words = _by_synset(root, rows, named)
        how = f'labels begin with {first}'
    elif file := next((root / name for name in _NAMES if (root / name).is_file()), None):
        first, names, words = 0, _names_in(file), ()
        how = f'names from {file.name}'
    else:
        first, highest = min(row.label for row in rows), max(row.label for row in rows)
        names = tuple(f'{label:0{len(str(highest))}d}' for label in range(first, highest + 1))
        words, how = (), f'labels begin with {first}, classes have no names'
        if first not in (0, 1):
            raise errors.DataError(f'{root}: labels begin with {first}; 0 or 1 was expected.')
    wrong = next((row for row in rows if not 0 <= row.label - first < len(names)), None)
    if wrong:
        raise errors.DataError(
            f'{root}: {wrong.name} has the label {wrong.label}, and {how}: that is none of the '
            f'{len(names):,} classes. Unlabelled records have no place here.'
        )
    return first, names, words, how


def _by_synset(root, rows, named) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    known = all(map(synsets.WNID.fullmatch, named))
    names = tuple(sorted(named))
    places = {name: at for at, name in enumerate(names)}
    offsets = collections.Counter(row.label - places[row.synset] for row in rows if row.synset)
    if len(offsets) > 1:
        raise errors.DataError(
            f'{root}: labels do not follow the sorted names of classes, {names[0]} first. Some '
            'classes may have no records.'
        )
    (first,) = offsets
    return first, names, tuple(named[name] for name in names) if known else ()


def _names_in(file) -> tuple[str, ...]:
    """A name a line, or 'label:name' as TF-slim writes them."""
    lines = synsets.text_of(file.read_bytes(), str(file)).splitlines()
    return tuple(re.sub(r'^\d+:', '', line) for line in lines if line.strip())
