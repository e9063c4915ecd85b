"""TFRecords of other programs: TF-slim, the TPU models' ImageNet and tensorflow-datasets."""

import collections
import dataclasses
import pathlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
from google.protobuf import message

from input_pipeline import errors, files
from input_pipeline.images import headers
from input_pipeline.records import framing, manifests
from input_pipeline.sources import entries, record_files, splits, synsets

NAME = 'records'
_LABELLED = re.compile(r'(?:(?P<label>\d+):)?(?P<name>.*)')  # a line of _CLASS_NAMES
_CLASS_NAMES = ('label.labels.txt', 'labels.txt')  # of tensorflow-datasets and of TF-slim
_SIZE = manifests.Layout.square_size
_MAX_GAPS = 1000  # labels without records, for each label with some
_FEW = 0.501  # of the classes that are expected: half, whatever the rounding
_MAX_IN_PLACE = 8192  # records of a shard


@dataclasses.dataclass(frozen=True, slots=True)
class RecordImage:
    """An image in a record, which an entry reads.

    Attributes:
        path: Path of the TFRecord file.
        offset: Offset of the record's first byte.
        size: Number of bytes of the record.
        feature: Name of the feature that holds the image.
    """

    path: str
    offset: int
    size: int
    feature: str

    def __call__(self) -> bytes:
        """Reads the encoded image.

        Raises:
            OSError: The file cannot be read.
            ValueError: There is no such record.
        """
        with files.as_path(self.path).open('rb') as file:
            file.seek(self.offset)
            data = file.read(self.size)
        try:
            example = tf.train.Example.FromString(data)
            return example.features.feature[self.feature].bytes_list.value[0]
        except (message.DecodeError, IndexError) as error:
            raise ValueError(f'{self.path} has changed since it was listed') from error


@dataclasses.dataclass(frozen=True)
class _Row:
    split: str
    entry: entries.Entry  # with the label as it is in the record
    synset: str
    words: str
    layout: manifests.Layout | None  # if the record can be used in place


@dataclasses.dataclass(frozen=True)
class _Labels:
    """What labels mean: the first label, the classes from it, and their words."""

    first: int
    classes: tuple[str, ...]
    words: tuple[str, ...]
    description: str


def recognize(root: pathlib.Path) -> str:
    """Says why a folder is taken for such records; '' if it is not."""
    return record_files.recognize(root)


def find_images(
    source_dir: str,
    *,
    copies_dir: pathlib.Path,
    validation_fraction: float = 0.0,
    split_rule: str = '',
) -> entries.Source:
    """Finds the images in a folder of records.

    Labels that start with 1, as TF-slim's do, are shifted to start with 0; the WNIDs in the records
    decide if there are some.

    Args:
        source_dir: Folder of files such as 'train-00000-of-01024' or
            'flowers-train.tfrecord-00000-of-00002', of training and perhaps of other splits. They
            may be compressed.
        copies_dir: Folder for copies of compressed files; see `entries.remove_copies`.
        validation_fraction: Fraction of the images of each class to hold out, by content, if there
            is no other split.
        split_rule: See `splits.hold_out`; '' for the present rule.

    Raises:
        DataError: There are no such files, one is damaged, or the labels make no sense.
    """
    root = files.as_path(source_dir)
    shards, ignored = record_files.list_shards(root)
    rows = [row for shard in shards for row in _read_shard(shard, copies_dir)]
    if not rows:
        raise errors.DataError(
            f'{root} holds no records that --source=records reads. Their files are named such as '
            'train-00000-of-01024 or flowers-train.tfrecord-00000-of-00002.'
        )
    labels = _find_labels(root, rows)
    layout = None
    if not files.is_remote(root) and _fit_in_place(rows, len(labels.classes)):
        layout = dataclasses.replace(rows[0].layout, first_label=labels.first)
    divided, note = _split(root, rows, labels.first)
    rule = ''
    if list(divided) == [manifests.TRAIN]:
        layout, rule = None, split_rule or splits.BY_CLASS_AND_CONTENT
        digests = [(entry, splits.hash_content(entry)) for entry in divided[manifests.TRAIN]]
        divided = splits.hold_out(digests, validation_fraction, rule=rule)
    return entries.Source(
        NAME,
        f'{root}: records of another program, {labels.description}{note}',
        labels.classes,
        divided,
        split_rule=rule,
        words=labels.words,
        in_place_layout=layout,
        ignored=ignored,
    )


def _split(root, rows: Sequence[_Row], first_label: int) -> tuple[splits.Splits, str]:
    divided = collections.defaultdict(list)
    for row in rows:
        label = row.entry.label - first_label
        divided[row.split].append(dataclasses.replace(row.entry, label=label))
    if manifests.TRAIN not in divided:
        raise errors.DataError(
            f'{root} holds records of {", ".join(divided)} only; expected train, too. Put those '
            'into it, or prepare from the images.'
        )
    note = splits.name_validation(divided)
    return dict(divided), note


def _fit_in_place(rows: Sequence[_Row], classes: int) -> bool:
    """Whether records can be trained on as they are: of one layout, in small and mixed shards.

    A shard is read whole and shuffled with those beside it, so it must not be large nor hold few
    classes.
    """
    if rows[0].layout is None or len({row.layout for row in rows}) > 1:
        return False
    labels = collections.defaultdict(list)
    for row in rows:
        if row.split == manifests.TRAIN:
            labels[row.entry.read.path].append(row.entry.label)
    for shard_labels in labels.values():
        expected = classes * (1 - (1 - 1 / classes) ** len(shard_labels))  # of a random order
        if len(shard_labels) > _MAX_IN_PLACE or len(set(shard_labels)) <= _FEW * expected:
            return False
    return True


def _read_shard(shard: record_files.Shard, copies_dir: pathlib.Path) -> Iterator[_Row]:
    """Reads the rows of a file; those of a compressed one are in a copy, not used in place."""
    offset, plain = 0, shard.path
    try:
        is_compressed = record_files.is_compressed(shard.path)
        if is_compressed:
            plain = record_files.decompress(shard.path, copies_dir)
        for index, record in enumerate(framing.iter_records(plain)):
            data = record.numpy()
            name, start = f'{shard.path.name}/{index:06d}', offset + framing.HEAD_BYTES
            row = _parse_row(data, split=shard.split, name=name, path=str(plain), offset=start)
            yield dataclasses.replace(row, layout=None) if is_compressed else row
            offset += framing.FRAME_BYTES + len(data)
        if not offset:
            raise errors.DataError(f'{shard.path} holds no record. Download it again.')
    except (tf.errors.OpError, zlib.error, message.DecodeError, UnicodeDecodeError) as error:
        raise errors.DataError(
            f'{shard.path} is damaged, or holds no tf.train.Example ({errors.describe(error)}). '
            'Download it again.'
        ) from error


def _parse_row(data: bytes, *, split: str, name: str, path: str, offset: int) -> _Row:
    features = tf.train.Example.FromString(data).features.feature
    is_slim = 'image/encoded' in features
    image, label = ('image/encoded', 'image/class/label') if is_slim else ('image', 'label')
    images = _get_values(features, image, 'bytes_list')
    labels = _get_values(features, label, 'int64_list')
    if len(images) != 1 or len(labels) != 1:
        raise errors.DataError(
            f'{path}: the record {name} has the features {", ".join(sorted(features))}, with '
            f'{len(images)} images (bytes) and {len(labels)} labels (int64) that can be read; '
            'expected one image and one label, in image/encoded and image/class/label, or in image '
            'and label.'
        )
    is_stored = _is_stored(images[0])
    synset, words = (
        b''.join(_get_values(features, f'image/class/{part}', 'bytes_list')[:1]).decode()
        for part in ('synset', 'text')
    )
    entry = entries.Entry(name, labels[0], RecordImage(path, offset, len(data), image))
    layout = manifests.Layout('jpeg', _SIZE, image, label) if is_stored else None
    return _Row(split, entry, synset, words, layout)


def _get_values(features: Mapping[str, tf.train.Feature], name: str, kind: str) -> Sequence:
    return getattr(features[name], kind).value if name in features else ()


def _is_stored(image: bytes) -> bool:
    """Whether an image is encoded as this program would store it."""
    try:
        return image.startswith(headers.JPEG) and headers.read_size(image) == (_SIZE, _SIZE)
    except (ValueError, tf.errors.OpError):
        return False


def _find_labels(root: pathlib.Path, rows: Sequence[_Row]) -> _Labels:
    names = next((root / name for name in _CLASS_NAMES if (root / name).is_file()), None)
    if any(row.synset for row in rows):
        labels = _find_labels_by_synset(root, rows)
    elif names:
        classes, first = _read_class_names(names)
        first = _find_first_label(classes, rows) if first is None else first
        described = f'names from {names.name}, the first of label {first}'
        labels = _Labels(first, classes, (), described)
    else:
        labels = _count_labels(root, rows)
    for row in rows:
        label = row.entry.label
        if not 0 <= label - labels.first < len(labels.classes):
            raise errors.DataError(
                f'{root}: {row.entry.name} has the label {label}, and {labels.description}: that '
                f'is none of the {len(labels.classes):,} classes. Remove unlabelled records.'
            )
    return labels


def _find_labels_by_synset(root: pathlib.Path, rows: Sequence[_Row]) -> _Labels:
    words = {row.synset: row.words for row in rows if row.synset}
    classes = tuple(sorted(words))
    indices = {name: index for index, name in enumerate(classes)}
    firsts = {row.entry.label - indices[row.synset] for row in rows if row.synset}
    if len(firsts) > 1:
        raise errors.DataError(
            f'{root}: labels do not follow the sorted names of classes, {classes[0]} first. Check '
            'that every class has records.'
        )
    (first,) = firsts
    has_words = all(map(synsets.WNID.fullmatch, classes))
    meanings = tuple(words[name] for name in classes) if has_words else ()
    return _Labels(first, classes, meanings, f'labels start with {first}')


def _count_labels(root: pathlib.Path, rows: Sequence[_Row]) -> _Labels:
    labels = {row.entry.label for row in rows}
    first, last = min(labels), max(labels)
    if first not in (0, 1):
        expected = 'expected 0 or 1. Check that every class has records'
        raise errors.DataError(f'{root}: labels start with {first}; {expected}.')
    if last - first > _MAX_GAPS * len(labels):
        raise errors.DataError(
            f'{root}: {len(labels):,} different labels, up to {last:,}; expected the numbers of '
            'classes, without large gaps.'
        )
    classes = tuple(f'{label:0{len(str(last))}d}' for label in range(first, last + 1))
    return _Labels(first, classes, (), f'labels start with {first}, classes have no names')


def _read_class_names(file: pathlib.Path) -> tuple[tuple[str, ...], int | None]:
    """Reads one name a line, or TF-slim's 'label:name'; returns also the first label."""
    lines = synsets.decode_text(file.read_bytes(), str(file)).splitlines()
    matches = [_LABELLED.fullmatch(line) for line in lines if line.strip()]
    if not matches:
        raise errors.DataError(f'{file} names no classes. Remove it, or write a name a line.')
    names, numbers = zip(*(match.group('name', 'label') for match in matches), strict=True)
    if not all(numbers):
        return names, None
    first = int(numbers[0])
    if [int(number) for number in numbers] != list(range(first, first + len(numbers))):
        raise errors.DataError(f'{file}: labels are not in order, one a line. Sort them.')
    return names, first


def _find_first_label(classes: Sequence[str], rows: Sequence[_Row]) -> int:
    """Finds the label of the first name, 0 or 1, from the names in records if they have some."""
    places = {name: place for place, name in reversed(list(enumerate(classes)))}
    firsts = {row.entry.label - places[row.words] for row in rows if row.words in places}
    last = max(row.entry.label for row in rows)
    return firsts.pop() if len(firsts) == 1 else int(last == len(classes))
