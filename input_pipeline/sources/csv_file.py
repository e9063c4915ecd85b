"""A CSV file that names pictures and their classes."""

import collections
import csv
import hashlib
import io

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


def find(source_dir: str, *, validation_fraction: float) -> entries_lib.Found:
    """The pictures that a CSV file lists.

    Args:
        source_dir: The file. Its first line names columns: `path`, relative to the file's folder
            or absolute, `label`, any text; and perhaps `split`: train, validation or test.
        validation_fraction: Without `split`: the share held out, by the content's hash.

    Raises:
        DataError: No such file, another form, a path twice, one class, or an empty split.
    """
    file = files.at(source_dir)
    rows = _rows(file)
    classes = tuple(sorted({row['label'] for row in rows}))
    if len(classes) < 2:
        raise errors.DataError(f'{file} names {len(classes)} classes; at least two are needed.')
    labels = {name: at for at, name in enumerate(classes)}
    splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for row in rows:
        remote = files.is_remote(row['path'])
        read = entries_lib.File.at(row['path'] if remote else str(file.parent / row['path']))
        split = _split_of(row, read, validation_fraction)
        splits.setdefault(split, []).append(
            entries_lib.Entry(row['path'], labels[row['label']], read)
        )
    for split, entries in splits.items():
        if not entries:
            raise errors.DataError(f'{file}: no picture falls into the {split} split.')
    numbers = ', '.join(f'{len(entries):,} {split}' for split, entries in splits.items())
    description = f'{file}: a list, {len(classes)} classes, {numbers} pictures'
    rule = '' if rows[0].get('split') else entries_lib.BY_CONTENT
    return entries_lib.Found(
        NAME, description, classes, splits, split_rule=rule, exif_orientation=True
    )


def _rows(file) -> list[dict[str, str]]:
    if not file.is_file():
        raise errors.DataError(f'--source_dir={file}: --source=csv wants a file of path,label.')
    try:
        text = file.read_bytes().decode('utf-8-sig')
        reader = csv.DictReader(io.StringIO(text, newline=''), strict=True)
        if not {'path', 'label'} <= set(reader.fieldnames or ()):
            raise errors.DataError(
                f'{file}: its first line names {reader.fieldnames}; path and label are wanted.'
            )
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise errors.DataError(f'{file} cannot be read as CSV in UTF-8 ({error}).') from error
    for number, row in enumerate(rows, 2):
        split = row.get('split')
        if not row['path'] or not row['label'] or None in row or (split or 'train') not in _SPLITS:
            raise errors.DataError(
                f'{file}, row {number}: expected a path, a label, and a split of train, validation '
                'or test, if any.'
            )
    twice = [
        path for path, times in collections.Counter(r['path'] for r in rows).items() if times > 1
    ]
    if twice:
        raise errors.DataError(f'{file} lists {twice[0]} more than once.')
    return rows


def _split_of(row, read, fraction: float) -> str:
    if row.get('split'):
        return _SPLITS[row['split']]
    try:
        digest = hashlib.sha256(read()).hexdigest()
    except (OSError, ValueError):
        digest = hashlib.sha256(row['path'].encode(errors='surrogateescape')).hexdigest()
    held_out = entries_lib.share(digest) < fraction
    return manifests.VALIDATION if held_out else manifests.TRAIN
