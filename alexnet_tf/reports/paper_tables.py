"""The paper's tables, with measured rows beside the paper's."""

import collections
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from alexnet_tf.reports import intervals, tables

VALIDATION, TEST = 'validation', 'test'
UNCHANGED = ''  # changes of the paper's network
# Kinds of networks: the paper's; with a sixth convolution; either of them pre-trained.
KINDS = CNN, CNN_CONV6, PRETRAINED, CNN_STAR = 'CNN', 'CNN with conv6', 'CNN, pre-trained', 'CNN*'


class Result(NamedTuple):
    """One row of some `results.csv`.

    Attributes:
        name: The run directory, or all of an ensemble.
        kinds: Kind of each network, sorted: one of KINDS, or a description of how else it differs.
        changes: How the networks differ from the paper's, as `columns=1`; UNCHANGED if they do not.
        group: Networks of one group differ in their changes only, and share their records.
        split: Name of the split.
        views: Number of views of an image.
        examples: In the split.
        errors: Top-1 and top-5 error, in [0, 1].
    """

    name: str
    kinds: tuple[str, ...]
    changes: str
    group: str
    split: str
    views: int
    examples: int
    errors: tuple[float, float]


class PaperRow(NamedTuple):
    """One row of a table of the paper.

    Attributes:
        label: As in the paper.
        cells: As printed in the paper, by column; percent.
        kinds: The `Result.kinds` that belong beside it; () if none can.
        views: The `Result.views` that belong beside it.
    """

    label: str
    cells: tuple[str, ...]
    kinds: tuple[tuple[str, ...], ...] = ()
    views: int = 10


class Column(NamedTuple):
    """One column of a table of the paper.

    Attributes:
        name: As in the paper.
        split: Name of the split.
        error: Index in `Result.errors`: 0 for top-1, 1 for top-5.
    """

    name: str
    split: str
    error: int


class PaperTable(NamedTuple):
    """A table of the paper.

    Attributes:
        title: Where it is in the paper, and what it shows.
        source: The --source of its records.
        columns: The columns after the first, which has the labels.
        rows: From top to bottom.
    """

    title: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[PaperRow, ...]


# By the name of --paper_tables. All values here are the paper's, in percent.
TABLES = {
    'ilsvrc2010': PaperTable(
        'Table 1: ILSVRC-2010 test set',
        'ilsvrc2010',
        (Column('top-1', TEST, 0), Column('top-5', TEST, 1)),
        (
            PaperRow('Sparse coding [2]', ('47.1', '28.2')),
            PaperRow('SIFT + FVs [24]', ('45.7', '25.7')),
            PaperRow('CNN', ('37.5', '17.0'), ((CNN,),)),
            PaperRow('CNN, one view (footnote 5)', ('39.0', '18.3'), ((CNN,),), views=1),
        ),
    ),
    'ilsvrc2012': PaperTable(
        'Table 2: ILSVRC-2012 validation and test sets',
        'ilsvrc2012',
        (
            Column('top-1 (val)', VALIDATION, 0),
            Column('top-5 (val)', VALIDATION, 1),
            Column('top-5 (test)', TEST, 1),
        ),
        (
            PaperRow('SIFT + FVs [7]', ('', '', '26.2')),
            PaperRow('1 CNN', ('40.7', '18.2', ''), ((CNN,),)),
            PaperRow('5 CNNs', ('38.1', '16.4', '16.4'), ((CNN,) * 5,)),
            PaperRow('1 CNN*', ('39.0', '16.6', ''), ((CNN_STAR,),)),
            PaperRow('7 CNNs*', ('36.7', '15.4', '15.3'), ((CNN,) * 5 + (CNN_STAR,) * 2,)),
        ),
    ),
    'fall2009': PaperTable(
        'Section 6: ImageNet Fall 2009, 10,184 classes, half of it held out',
        'imagenet10k',
        (Column('top-1', VALIDATION, 0), Column('top-5', VALIDATION, 1)),
        (
            PaperRow('Best published before [19]', ('78.1', '60.9')),
            PaperRow('CNN with a sixth convolution', ('67.4', '40.9'), ((CNN_CONV6,), (CNN_STAR,))),
        ),
    ),
}


# (change, section, description, increases of the top-1 and top-5 error in percentage points)
_ABLATIONS = (
    ('columns=1', '3.2', 'one column with half the kernels', '1.7', '1.2'),
    ('normalization=False', '3.3', 'no response normalization', '1.4', '1.2'),
    ('pool_size=2', '3.4', 'pooling without overlap', '0.4', '0.3'),
    ('colour_shift_sd=0.0', '4.1', 'no colour shift', 'over 1', ''),
    ('removed_layer=conv3', '7', 'without conv3', 'about 2', ''),
    ('removed_layer=conv4', '7', 'without conv4', 'about 2', ''),
    ('removed_layer=conv5', '7', 'without conv5', 'about 2', ''),
)


def format_table(name: str, results: Sequence[Result]) -> str:
    """Formats a table of the paper with each result under the row that it belongs to.

    Args:
        name: A key of TABLES.
        results: On the records of the table.
    """
    table = TABLES[name]
    known = [result for result in results if set(result.kinds) <= set(KINDS)]
    header = ['', *(f'{column.name}, paper' for column in table.columns)]
    header += [f'{column.name}, here (95 %)' for column in table.columns] + ['run']
    rows, placed = [], set()
    for row in table.rows:
        matching = [
            result for result in known if result.kinds in row.kinds and result.views == row.views
        ]
        placed |= {result.name for result in matching}
        rows += _build_rows(row.label, row.cells, table.columns, matching)
    others = [result for result in known if result.name not in placed and result.views == 10]
    for group in _group_by_name(others).values():
        rows += _build_rows(_describe(group[0]), [''] * len(table.columns), table.columns, group)
    parts = [table.title, tables.format_table(header, rows), format_ablations(results)]
    return '\n\n'.join(filter(None, parts))


def format_ablations(results: Sequence[Result]) -> str:
    """Formats how many points each change of the network adds to its errors; '' without any."""
    groups = collections.defaultdict(list)
    for result in results:
        if len(result.kinds) == 1:
            groups[result.group, result.split, result.views].append(result)
    rows = []
    for change, section, description, *paper in _ABLATIONS:
        for (_, split, views), group in sorted(groups.items()):
            base = [result for result in group if result.changes == UNCHANGED]
            changed = [result for result in group if result.changes == change]
            if base and changed:
                increases = [_format_increase(base, changed, error) for error in (0, 1)]
                runs = f'{len(changed)} and {len(base)}'
                rows.append((description, section, *paper, *increases, split, views, runs))
    if not rows:
        return ''
    header = ('change', 'section', 'top-1, paper', 'top-5, paper')
    header += ('top-1, here (95 %, images)', 'top-5, here (95 %, images)')
    header += ('split', 'views', 'runs with and without')
    note = (
        'Increase of the errors in percentage points. The intervals treat the images of each run '
        'as independent samples and ignore differences between seeds.'
    )
    return f'{note}\n\n{tables.format_table(header, rows)}'


def _build_rows(label: str, cells, columns: Sequence[Column], results) -> list[tuple]:
    """Builds a row for each run; the first has the paper's label and cells."""
    rows = []
    for name, group in (_group_by_name(results) or {'': []}).items():
        rows.append((label, *cells, *(_format_newest(group, column) for column in columns), name))
        label, cells = '', [''] * len(cells)
    return rows


def _group_by_name(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups = collections.defaultdict(list)
    for result in results:
        groups[result.name].append(result)
    return groups


def _describe(result: Result) -> str:
    counts = collections.Counter(result.kinds)
    return ' + '.join(f'{number} {kind}' for kind, number in counts.items())


def _format_newest(group: Sequence[Result], column: Column) -> str:
    on_split = [result for result in group if result.split == column.split]
    if not on_split:
        return ''
    error = on_split[-1].errors[column.error]
    low, high = intervals.compute_wilson_interval(error, on_split[-1].examples)
    return f'{100 * error:.1f} ({100 * low:.1f} to {100 * high:.1f})'


def _format_increase(base: Sequence[Result], changed: Sequence[Result], error: int) -> str:
    means, variance = [], 0.0
    for group in (base, changed):
        mean = statistics.mean(result.errors[error] for result in group)
        means.append(mean)
        variance += mean * (1 - mean) / group[0].examples / len(group)
    increase = 100 * (means[1] - means[0])
    spread = 100 * intervals.Z_95 * math.sqrt(variance)
    return f'{increase:+.1f} ({increase - spread:+.1f} to {increase + spread:+.1f})'
