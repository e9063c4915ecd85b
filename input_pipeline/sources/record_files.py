"""Finds the TFRecord files of each split in a folder, and decompresses them."""

import collections
import pathlib
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import tensorflow as tf

from input_pipeline import errors, files, tally
from input_pipeline.records import framing
from input_pipeline.sources import entries, listing, splits

# 'train-00000-of-01024' of TF-slim and the TPU models, 'flowers_train_00000-of-00005.tfrecord' of
# TF-slim's own converter, 'mine-val.tfrecord-00000-of-00002' of tensorflow-datasets, or one file.
_NUMBERS, _SUFFIX = r'[-_.]\d+-of-\d+', r'\.tf_?records?'
_SHARD = re.compile(
    rf'(?:(?P<set>.*)[-_.])?(?P<split>{"|".join(splits.NAMES)})'
    rf'(?:{_NUMBERS}(?:{_SUFFIX})?|{_SUFFIX}(?:{_NUMBERS})?)(?:\.gz|\.gzip|\.zlib|\.zz)?',
    re.IGNORECASE,
)
_NUMBER = re.compile(r'(\d+)-of-(\d+)')
_OTHER = re.compile(r'tf_?records?|\d{5}-of-\d{5}', re.IGNORECASE)  # of no split
_COMPRESSED = re.compile(rb'\x1f\x8b|\x78[\x01\x5e\x9c\xda]')  # gzip, zlib
_ANY_WINDOW, _BLOCK_BYTES = 32 + zlib.MAX_WBITS, 1 << 20


class Shard(NamedTuple):
    """A file of records.

    Attributes:
        path: Its path.
        split: 'train', 'validation' or 'test'.
    """

    path: pathlib.Path
    split: str


def recognize(root: pathlib.Path) -> str:
    """Says why a folder is taken for records; '' if it is not."""
    paths = (path for path in root.iterdir() if not listing.is_hidden(path.name))
    path = next((path for path in paths if _SHARD.fullmatch(path.name) and path.is_file()), None)
    return f'{path.name} is in it' if path else ''


def list_shards(root: pathlib.Path) -> tuple[list[Shard], tally.Counts]:
    """Lists the shards in a folder, and counts the files of records that belong to no split.

    Raises:
        DataError: Shards of a split are missing, or there are several data sets.
    """
    numbers, shards, ignored = collections.defaultdict(list), [], {}
    for path in sorted(path for path in root.iterdir() if path.is_file()):
        if listing.is_hidden(path.name):
            continue
        match = _SHARD.fullmatch(path.name)
        if match:
            split = splits.NAMES[match['split'].lower()]
            shards.append(Shard(path, split))
            number = _NUMBER.search(path.name, match.end('split'))
            index, total = map(int, number.groups()) if number else (0, 1)
            numbers[match['set'], match['split']].append((index, total))
        elif _OTHER.search(path.name):
            tally.add(ignored, 'ignored: records whose name has no split', path.name)
    _check_numbers(root, numbers)
    return shards, ignored


def _check_numbers(root: pathlib.Path, numbers) -> None:
    names = sorted('-'.join(filter(None, name)) for name in numbers)
    is_mixed = len({name for name, _ in numbers}) > 1
    if is_mixed or len({splits.NAMES[split.lower()] for _, split in numbers}) < len(numbers):
        raise errors.DataError(
            f'{root} holds records of several data sets: {", ".join(names)}. Keep each in a folder '
            'of its own.'
        )
    for (_, split), found in numbers.items():
        total = found[0][1]
        if sorted(found) != [(index, total) for index in range(total)]:
            raise errors.DataError(
                f'{root} holds {len(found)} shards of {split} where their names say {total}. '
                'Fetch the others, and keep shards of other data sets elsewhere.'
            )


def is_compressed(path: pathlib.Path) -> bool:
    """Whether a file of records is compressed, with gzip or zlib."""
    with path.open('rb') as file:
        start = file.read(2)
    return bool(_COMPRESSED.match(start)) and not _can_read(path)


def decompress(path: pathlib.Path, copies_dir: pathlib.Path) -> pathlib.Path:
    """Decompresses records to a copy, which can be read in random order.

    Raises:
        zlib.error: They are damaged.
    """
    copy = copies_dir / f'{path.name}{entries.COPY_SUFFIX}'
    with (
        files.atomic_file(copy) as temporary,
        path.open('rb') as file,
        temporary.open('wb') as plain,
    ):
        plain.writelines(_iter_decompressed(file))
    return copy


def _iter_decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Decompresses gzip, of one part or of several, and zlib."""
    decompressor = zlib.decompressobj(_ANY_WINDOW)
    data = file.read(_BLOCK_BYTES)
    while data:
        yield decompressor.decompress(data, _BLOCK_BYTES)
        data = decompressor.unconsumed_tail
        if decompressor.eof and (data := decompressor.unused_data or file.read(_BLOCK_BYTES)):
            decompressor = zlib.decompressobj(_ANY_WINDOW)
        data = data or file.read(_BLOCK_BYTES)
    if not decompressor.eof:
        raise zlib.error('it is cut short')


def _can_read(path: pathlib.Path) -> bool:
    try:
        return next(framing.iter_records(path), None) is not None
    except tf.errors.OpError:
        return False
