"""A CSV file that lists images and their classes."""

import collections
import csv
import io
import pathlib
from collections.abc import Sequence

from input_pipeline import errors, files
from input_pipeline.images import rendering
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import listing, splits

NAME = 'csv'
_Row = dict[str, str]  # by column: path, label and perhaps split


def find_images(
    source_dir: str,
    *,
    validation_fraction: float,
    split_rule: str = '',
    max_missing_fraction: float = 0.0,
) -> entries_lib.Source:
    """Finds the images that a CSV file lists.

    Args:
        source_dir: Path of the file. Its first line names the columns `path` (relative to the
            file's folder, or absolute), `label` (any text) and optionally `split` (train,
            validation or test). Blanks around what is between the commas do not count.
        validation_fraction: Fraction of the images of each class to hold out, by the hash of their
            content, of those without a `split`.
        split_rule: See `splits.hold_out`; '' for the present rule.
        max_missing_fraction: Fraction of the paths at which there may be no file.

    Raises:
        DataError: There is no such file, its form is another, it lists a path twice, paths that do
            not exist, or fewer than two classes, or a split is empty.
    """
    file = files.as_path(source_dir)
    rows = _read_rows(file)
    classes = tuple(sorted({row['label'] for row in rows}))
    if len(classes) < 2:
        number = f'only one class, {classes[0]}' if classes else 'no images'
        raise errors.DataError(f'{file} lists {number}; a classifier needs at least two classes.')
    labels = {name: label for label, name in enumerate(classes)}
    images = [_make_entry(file, row, labels) for row in rows]
    warning = _check_files(file, images, max_missing_fraction)
    rule = split_rule or splits.BY_CLASS_AND_CONTENT
    without = [entry for row, entry in zip(rows, images, strict=True) if not row.get('split')]
    digests = ((entry, splits.hash_content(entry)) for entry in without)
    divided = splits.hold_out(digests, validation_fraction, rule=rule) if without else {}
    for row, entry in zip(rows, images, strict=True):
        if row.get('split'):
            divided.setdefault(splits.NAMES[row['split']], []).append(entry)
    note = splits.name_validation(divided)
    divided = {manifests.TRAIN: [], manifests.VALIDATION: []} | divided
    splits.check(divided, file)
    return entries_lib.Source(
        NAME,
        f'{file}: a list, {len(classes)} classes, {splits.describe(divided)}{note}',
        classes,
        divided,
        split_rule=rule if without else '',
        rendering=rendering.OWN_IMAGES,
        warnings=(warning,) if warning else (),
    )


def _make_entry(file: pathlib.Path, row: _Row, labels) -> entries_lib.Entry:
    path = row['path'] if files.is_remote(row['path']) else str(file.parent / row['path'])
    image = entries_lib.ImageFile.from_path(path)
    return entries_lib.Entry(row['path'], labels[row['label']], image)


def _check_files(
    file: pathlib.Path, images: Sequence[entries_lib.Entry], max_missing_fraction: float
) -> str:
    """Returns a warning of paths without a file, '' if there are none; too many are an error."""
    missing = [entry for entry in images if entry.read.size < 0]
    if not missing:
        return ''
    path = missing[0].read.path
    place = path if files.is_remote(path) else pathlib.Path(path).absolute()
    problem = (
        f'{file}: at {len(missing):,} of {len(images):,} paths there is no file, first '
        f'{missing[0].name}, which was looked for at {place}.'
    )
    if len(missing) > max_missing_fraction * len(images):
        raise errors.DataError(
            f'{problem} Paths are relative to the folder of the CSV file, or absolute. Correct '
            'them, or allow a larger --max_bad_fraction.'
        )
    return problem


def _read_rows(file: pathlib.Path) -> list[_Row]:
    if not file.is_file():
        raise errors.DataError(
            f'--source_dir={file}: no such file. --source=csv needs a CSV file with the columns '
            'path and label.'
        )
    try:
        text = file.read_bytes().decode('utf-8-sig')
        reader = csv.DictReader(io.StringIO(text, newline=''), strict=True, skipinitialspace=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        message = f'{file} cannot be read as CSV ({error}). Save it as CSV in UTF-8.'
        raise errors.DataError(message) from error
    if not {'path', 'label'} <= set(columns):
        raise errors.DataError(
            f'{file}: its first line names the columns {columns}; expected path and label, with '
            'commas between.'
        )
    return _check_rows(file, rows)


def _check_rows(file: pathlib.Path, rows: list[dict]) -> list[_Row]:
    """Returns rows without blanks; each must have a path, a label and, if any, a known split."""
    cleaned = []
    for number, row in enumerate(rows, 2):
        path, label, split = ((row.get(name) or '').strip() for name in ('path', 'label', 'split'))
        label, split = listing.normalize_name(label), split.lower()
        if not path or not label or None in row or (split and split not in splits.NAMES):
            expected = 'a path, a label and, in a split column, train, validation or test'
            raise errors.DataError(f'{file}, row {number}: expected {expected}.')
        cleaned.append({'path': path, 'label': label, 'split': split})
    counts = collections.Counter(row['path'] for row in cleaned)
    repeated = next((path for path, count in counts.items() if count > 1), None)
    if repeated:
        raise errors.DataError(f'{file} lists {repeated} more than once. Keep one of its rows.')
    return cleaned
