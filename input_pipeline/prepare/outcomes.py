"""What became of the files of a source, by kind and by class; kept beside the records."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterable, Sequence

from input_pipeline import errors, files, tally
from input_pipeline.prepare import class_checks, duplicates
from input_pipeline.records import manifests, writing
from input_pipeline.sources import entries as entries_lib

COPIED = 'copied: '  # begins a kind of `Outcome.files`


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of the files of a source.

    Attributes:
        classes: By class and split, the number of images in the records.
        files: Files that did not go straight into the records, by kind (turned, converted, ignored
            or refused), with their number and the first one's name.
        warnings: Sentences about possible mistakes.
    """

    classes: class_checks.ClassCounts
    files: tally.Counts
    warnings: tuple[str, ...]


def collect(
    source: entries_lib.Source,
    tasks: Sequence[writing.ShardTask],
    summaries: Sequence[writing.ShardSummary],
) -> tuple[Outcome, list[duplicates.Conflict]]:
    """Collects the outcome, and the images that have the same content and different labels.

    Raises:
        DataError: A class has no training image that can be read.
    """
    labels = {split: [] for split in source.splits}
    images = []
    for task, summary in zip(tasks, summaries, strict=True):
        for entry, digest in zip(task.entries, summary.digests, strict=True):
            if digest:
                labels[task.split].append(entry.label)
                images.append((entry.name, source.classes[entry.label], digest))
    classes = class_checks.count_labels(source.classes, labels)
    listed = class_checks.count_source(source)
    class_checks.check_training_images(listed, classes, source.description)
    copies, conflicts = duplicates.find_copies(images)
    counts = [source.ignored, *(summary.treatments for summary in summaries)]
    counts += [_count_refused(bad for summary in summaries for bad in summary.bad)]
    names = {'the same label': copies, 'another label': [row.other for row in conflicts]}
    for label, copied in names.items():
        if copied:
            counts.append({f'{COPIED}equal to an image of {label}': (len(copied), copied[0])})
    warnings = [*source.warnings, *class_checks.find_warnings(classes)]
    if conflicts:
        first = conflicts[0]
        warnings.append(
            f'images that equal one of another label: {len(conflicts):,}, first {first.name} '
            f'({first.class_name}) and {first.other} ({first.other_class}), see '
            f'{manifests.CONFLICTS}. Remove the wrong ones.'
        )
    return Outcome(classes, tally.merge(counts), tuple(warnings)), conflicts


def write(outcome: Outcome, directory: pathlib.Path) -> None:
    """Writes an outcome into the directory of the records."""
    text = json.dumps(dataclasses.asdict(outcome), indent=2, ensure_ascii=False) + '\n'
    data = text.encode(errors='backslashreplace')  # valid JSON even if a name is not Unicode
    files.write_atomically(directory / manifests.PREPARATION, data)


def read(directory: pathlib.Path) -> Outcome | None:
    """Reads the outcome in a directory of records; None if an older version wrote them.

    Raises:
        DataError: It is damaged.
    """
    path = directory / manifests.PREPARATION
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text(encoding='utf-8'))
        counts = {kind: (number, example) for kind, (number, example) in fields['files'].items()}
        return Outcome(fields['classes'], counts, tuple(fields['warnings']))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.DataError(
            f'{path} is damaged ({errors.describe(error)}). Restore it from a copy, or delete it: '
            'it only counts what became of the images.'
        ) from error


def _count_refused(bad: Iterable[tuple[str, str]]) -> tally.Counts:
    """Counts unreadable images by their reason, disregarding numbers in it."""
    reasons: dict[str, str] = {}
    counts: tally.Counts = {}
    for name, reason in sorted(bad):
        kind = reasons.setdefault(re.sub(r'\d[\d,.]*', '#', reason), reason)
        tally.add(counts, f'refused: {kind}', name)
    return counts
