"""Tables of what `prepare` found and made: classes, files by what became of them, records."""

from collections.abc import Mapping

from alexnet_tf.reports import tables
from input_pipeline import tally
from input_pipeline.records import manifests

_MAX_CLASSES = 30  # that are all listed
_LISTED = 5  # of more classes, the largest and the smallest


def format_classes(classes: Mapping[str, Mapping[str, int]]) -> str:
    """Formats the number of images by class and split; of many classes, the extremes.

    >>> print(format_classes({'cat': {'train': 8, 'validation': 2}}))
    class  train  validation
    -----  -----  ----------
    cat    8      2
    """
    header = ('class', *next(iter(classes.values()), ()))
    rows = [
        (name or "''", *(f'{number:,}' for number in counts.values()))
        for name, counts in classes.items()
    ]
    if len(rows) > _MAX_CLASSES:
        totals = [sum(counts.values()) for counts in classes.values()]
        rows = [rows[at] for at in sorted(range(len(rows)), key=lambda at: -totals[at])]
        middle = (f'... {len(rows) - 2 * _LISTED:,} more', *('' for _ in header[1:]))
        rows = [*rows[:_LISTED], middle, *rows[-_LISTED:]]
    return tables.format_table(header, rows)


def format_files(files: tally.Counts) -> str:
    """Formats what became of files that did not go straight into the records; '' if all did.

    >>> print(format_files({'turned by EXIF': (2, 'cat/1.jpg')}))
    what became of files  number  first
    --------------------  ------  ---------
    turned by EXIF        2       cat/1.jpg
    """
    rows = [(kind, f'{number:,}', example) for kind, (number, example) in files.items()]
    return tables.format_table(('what became of files', 'number', 'first'), rows) if rows else ''


def format_records(manifest: manifests.Manifest) -> str:
    """Formats the number of images, files and bytes of each split, and the kinds of images."""
    rows = [
        (
            split,
            format_count(manifest.count_examples(split), manifest.expected.get(split)),
            f'{len(shards):,}',
            f'{sum(shard.bytes for shard in shards) / 1e6:,.1f}',
            ', '.join(f'{number:,} {kind}' for kind, number in manifest.kinds[split].items()),
        )
        for split, shards in manifest.splits.items()
    ]
    return tables.format_table(('split', 'images', 'files', 'MB', 'kinds'), rows)


def format_count(images: int, published: int | None) -> str:
    """Formats a number of images beside the published one, if there is one.

    >>> format_count(49_999, 50_000)
    '49,999 of 50,000 published'
    """
    return f'{images:,}' if published is None else f'{images:,} of {published:,} published'
