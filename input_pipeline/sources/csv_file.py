"""A CSV file that lists images and their classes."""

import collections
import csv
import hashlib
import io
import pathlib

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

NAME = 'csv'
_SPLITS = {
    'train': manifests.TRAIN,
    'val': manifests.VALIDATION,
    'validation': manifests.VALIDATION,
    'test': manifests.TEST,
}


def find_images(source_dir: str, *, validation_fraction: float) -> entries_lib.Source:
    """Finds the images that a CSV file lists.

    Args:
        source_dir: Path of the file. Its first line names the columns `path` (relative to the
            file's folder, or absolute), `label` (any text) and optionally `split` (train,
            validation or test).
        validation_fraction: Fraction of the images to hold out, by the hash of their content, if
            there is no `split`.

    Raises:
        DataError: There is no such file, its form is another, it lists a path twice or fewer than
            two classes, or a split is empty.
    """
    file = files.as_path(source_dir)
    rows = _read_rows(file)
    classes = tuple(sorted({row['label'] for row in rows}))
    if len(classes) < 2:
        raise errors.DataError(f'{file} names {len(classes)} classes; list at least two.')
    labels = {name: label for label, name in enumerate(classes)}
    splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for row in rows:
        path = row['path'] if files.is_remote(row['path']) else str(file.parent / row['path'])
        image = entries_lib.ImageFile.from_path(path)
        entry = entries_lib.Entry(row['path'], labels[row['label']], image)
        split = _SPLITS[row['split']] if row.get('split') else _choose(entry, validation_fraction)
        splits.setdefault(split, []).append(entry)
    entries_lib.check_splits(splits, file)
    images = entries_lib.describe_splits(splits)
    description = f'{file}: a list, {len(classes)} classes, {images}'
    rule = '' if rows[0].get('split') else entries_lib.BY_CONTENT
    return entries_lib.Source(NAME, description, classes, splits, rule, exif_orientation=True)


def _choose(entry: entries_lib.Entry, validation_fraction: float) -> str:
    try:
        content = entry.read()
    except (OSError, ValueError):
        content = entry.name.encode(errors='surrogateescape')
    return entries_lib.choose_split(hashlib.sha256(content).hexdigest(), validation_fraction)


def _read_rows(file: pathlib.Path) -> list[dict[str, str]]:
    if not file.is_file():
        raise errors.DataError(
            f'--source_dir={file}: no such file. --source=csv needs a CSV file with the columns '
            'path and label.'
        )
    try:
        text = file.read_bytes().decode('utf-8-sig')
        reader = csv.DictReader(io.StringIO(text, newline=''), strict=True)
        columns = reader.fieldnames or ()
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        message = f'{file} cannot be read as CSV ({error}). Save it as CSV in UTF-8.'
        raise errors.DataError(message) from error
    if not {'path', 'label'} <= set(columns):
        raise errors.DataError(
            f'{file}: its first line names the columns {list(columns)}; expected path and label.'
        )
    _check_rows(file, rows)
    return rows


def _check_rows(file: pathlib.Path, rows: list[dict[str, str]]) -> None:
    for number, row in enumerate(rows, 2):
        is_known = (row.get('split') or 'train') in _SPLITS
        if not row['path'] or not row['label'] or None in row or not is_known:
            expected = 'a path, a label and, in a split column, train, validation or test'
            raise errors.DataError(f'{file}, row {number}: expected {expected}.')
    counts = collections.Counter(row['path'] for row in rows)
    repeated = next((path for path, count in counts.items() if count > 1), None)
    if repeated:
        raise errors.DataError(f'{file} lists {repeated} more than once. Keep one of its rows.')
