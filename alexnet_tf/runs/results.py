"""`results.csv` of a run directory: a row for each evaluation of a split."""

import datetime
import pathlib
from collections.abc import Mapping, Sequence

from alexnet_tf.models import outputs
from alexnet_tf.reports import intervals, provenance, tables
from input_pipeline.records import manifests

RESULTS = 'results.csv'
MEMBER_SEPARATOR = ' + '  # between the run directories of an ensemble
# Columns that are read; `weights` is missing in files of older versions.
_COLUMNS = ('run_dir', 'step', 'split', 'examples', 'views', *outputs.METRICS, 'manifest_sha256')
_TOLERANCE = 1e-3  # between metrics from a graph and from NumPy


def build_row(
    manifest: manifests.Manifest,
    split: str,
    views: int,
    scores: Mapping[str, float],
    *,
    run_dir: str,
    step: int | str = '',
    weights: str = '',
) -> dict[str, object]:
    """Builds a row: what was evaluated, its metrics with 95 % intervals, and by which code.

    Args:
        manifest: Manifest of the records.
        split: Name of the split.
        views: Number of views of an image.
        scores: Values by the names in `outputs.METRICS`.
        run_dir: The run directory, or those of an ensemble, joined by MEMBER_SEPARATOR.
        step: Step of the checkpoint; '' for an ensemble.
        weights: Weights of an ensemble's members, separated by spaces; '' for a single run.
    """
    examples = manifest.count_examples(split)
    top1, top5 = (
        intervals.compute_wilson_interval(scores[name], examples)
        for name in ('top1_error', 'top5_error')
    )
    return {
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        'run_dir': run_dir,
        'weights': weights,
        'step': step,
        'split': split,
        'examples': examples,
        'views': views,
        **scores,
        **dict(zip(('top1_low', 'top1_high', 'top5_low', 'top5_high'), top1 + top5, strict=True)),
        'manifest_sha256': manifest.sha256,
        'commit': provenance.collect()['commit'],
    }


def append(directory: pathlib.Path, row: Mapping[str, object]) -> None:
    """Appends a row to a run's results; a file of an older version keeps its own columns."""
    tables.append_csv(directory / RESULTS, row)


def append_if_new(
    directory: pathlib.Path, row: Mapping[str, object], *, is_rounded: bool = False
) -> None:
    """Appends a row unless the newest results say the same about the same checkpoint.

    Args:
        directory: The run directory.
        row: The row.
        is_rounded: Whether it was computed from rounded probabilities, which may change the loss:
            then any existing row about the checkpoint is kept instead.
    """
    scores = () if is_rounded else outputs.METRICS
    if not any(_is_same(known, row, scores) for known in read_newest(directory)):
        append(directory, row)


def read_newest(directory: pathlib.Path) -> list[dict[str, str]]:
    """Reads the newest row of each combination of records, split, views and ensemble."""
    newest = {}
    for row in tables.read_csv(directory / RESULTS, _COLUMNS):
        if row.setdefault('weights', '') == '' and MEMBER_SEPARATOR in row['run_dir']:
            row['weights'] = '1'  # a file of an older version does not say which
        ensemble = (row['run_dir'], row['weights']) if row['weights'] else ()
        newest[row['manifest_sha256'], row['split'], row['views'], ensemble] = row
    return list(newest.values())


def _is_same(known: Mapping[str, str], row: Mapping[str, object], scores: Sequence[str]) -> bool:
    """Returns whether two rows are of the same evaluation, with `scores` equal up to rounding."""
    names = ('weights', 'step', 'split', 'views', 'manifest_sha256')
    return all(known[name] == str(row[name]) for name in names) and all(
        abs(float(known[name]) - row[name]) < _TOLERANCE for name in scores
    )
