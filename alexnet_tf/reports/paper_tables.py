"""The paper's tables, with measured rows beside the paper's."""

import collections
import dataclasses
import math
import statistics
from collections.abc import Sequence

from alexnet_tf.reports import intervals, tables

VALIDATION, TEST = 'validation', 'test'
FULL = ''  # the network without a change
# Kinds of networks: as the paper's; with a sixth convolution; either pre-trained on other pictures.
CNN, SIX, TUNED, STARRED = 'CNN', 'six', 'tuned', 'CNN*'


@dataclasses.dataclass(frozen=True)
class Measured:
    """One row of some `results.csv`.

    Attributes:
        of: The run, or the ensemble's runs.
        kinds: Of each network, sorted: CNN, SIX, TUNED, STARRED, or how else it differs.
        changes: What differs from the whole network, as `columns=1`; FULL for nothing.
        group: Networks of one group differ in their changes only, and know the same records.
        split, views, examples: That were scored.
        errors: Top-1 and top-5, in [0, 1].
    """

    of: str
    kinds: tuple[str, ...]
    changes: str
    group: str
    split: str
    views: int
    examples: int
    errors: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table of the paper.

    Attributes:
        name: As there.
        cells: The paper's, as printed there, by column.
        kinds: Of measured rows that belong beside it; none can where there are none.
        views: The same.
    """

    name: str
    cells: tuple[str, ...]
    kinds: tuple[tuple[str, ...], ...] = ()
    views: int = 10


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        title: Where it is there.
        columns: (name, split, 0 for top-1 or 1 for top-5) of each.
        rows: Of it.
    """

    title: str
    columns: tuple[tuple[str, str, int], ...]
    rows: tuple[Row, ...]


# By the name of --paper_tables. All numbers here are the paper's, in percent.
TABLES = {
    'ilsvrc2010': Table(
        'Table 1: ILSVRC-2010 test set',
        (('top-1', TEST, 0), ('top-5', TEST, 1)),
        (
            Row('Sparse coding [2]', ('47.1', '28.2')),
            Row('SIFT + FVs [24]', ('45.7', '25.7')),
            Row('CNN', ('37.5', '17.0'), ((CNN,),)),
            Row('CNN, one view (footnote 5)', ('39.0', '18.3'), ((CNN,),), views=1),
        ),
    ),
    'ilsvrc2012': Table(
        'Table 2: ILSVRC-2012 validation and test sets',
        (('top-1 (val)', VALIDATION, 0), ('top-5 (val)', VALIDATION, 1), ('top-5 (test)', TEST, 1)),
        (
            Row('SIFT + FVs [7]', ('', '', '26.2')),
            Row('1 CNN', ('40.7', '18.2', ''), ((CNN,),)),
            Row('5 CNNs', ('38.1', '16.4', '16.4'), ((CNN,) * 5,)),
            Row('1 CNN*', ('39.0', '16.6', ''), ((STARRED,),)),
            Row('7 CNNs*', ('36.7', '15.4', '15.3'), ((CNN,) * 5 + (STARRED,) * 2,)),
        ),
    ),
    'fall2009': Table(
        'Section 6: ImageNet Fall 2009, 10,184 classes, half of it held out',
        (('top-1', VALIDATION, 0), ('top-5', VALIDATION, 1)),
        (
            Row('Best published before [19]', ('78.1', '60.9')),
            Row('CNN with a sixth convolution', ('67.4', '40.9'), ((SIX,), (STARRED,))),
        ),
    ),
}

# (change, section, what it is there, by how many points errors rise: top-1, top-5)
_ABLATIONS = (
    ('columns=1', '3.2', 'one column with half the kernels', ('1.7', '1.2')),
    ('normalization=False', '3.3', 'no response normalization', ('1.4', '1.2')),
    ('pool_size=2', '3.4', 'pooling without overlap', ('0.4', '0.3')),
    ('colour_shift_sd=0.0', '4.1', 'no colour shift', ('over 1', '')),
    ('removed_layer=conv3', '7', 'without conv3', ('about 2', '')),
    ('removed_layer=conv4', '7', 'without conv4', ('about 2', '')),
    ('removed_layer=conv5', '7', 'without conv5', ('about 2', '')),
)


def text(name: str, measured: Sequence[Measured]) -> str:
    """One of TABLES for people, each measured network under the paper's row that it belongs to.

    Args:
        name: Of the table.
        measured: On its data.
    """
    asked = TABLES[name]
    whole = [each for each in measured if set(each.kinds) <= {CNN, SIX, TUNED, STARRED}]
    header = ['', *(f'{column}, paper' for column, _, _ in asked.columns)]
    header += [f'{column}, here (95 %)' for column, _, _ in asked.columns] + ['run']
    rows, placed = [], set()
    for row in asked.rows:
        fitting = [each for each in whole if _fits(each, row)]
        placed.update(each.of for each in fitting)
        rows += _lines(row.name, row.cells, asked, fitting)
    for each in _names(each for each in whole if each.of not in placed and each.views == 10):
        of = [one for one in whole if one.of == each and one.views == 10]
        rows += _lines(_named(of[0]), [''] * len(asked.columns), asked, of)
    parts = [asked.title, tables.text(header, rows)]
    deltas = changes_text(measured)
    return '\n\n'.join(parts + ([deltas] if deltas else []))


def changes_text(measured: Sequence[Measured]) -> str:
    """By how many points each change of the network raises its errors; '' where none was run."""
    rows = []
    for change, section, meaning, paper in _ABLATIONS:
        for key in sorted({(each.group, each.split, each.views) for each in measured}):
            of = [each for each in measured if (each.group, each.split, each.views) == key]
            single = [
                [each for each in of if len(each.kinds) == 1 and each.changes == changes]
                for changes in (FULL, change)
            ]
            if all(single):
                found = [_difference(*single, at) for at in (0, 1)]
                numbers = f'{len(single[1])} and {len(single[0])}'
                rows.append((meaning, section, *paper, *found, key[1], key[2], numbers))
    if not rows:
        return ''
    header = ('change', 'section', 'top-1, paper', 'top-5, paper', 'top-1, here (95 %)')
    header += ('top-5, here (95 %)', 'split', 'views', 'runs with and without')
    said = 'Points by which errors rise; intervals as of independent samples, so rather too wide.'
    return f'{said}\n\n{tables.text(header, rows)}'


def _fits(each: Measured, row: Row) -> bool:
    return each.kinds in row.kinds and each.views == row.views


def _lines(name, cells, asked: Table, fitting: Sequence[Measured]):
    """The row of the paper, and one more for each further run."""
    lines = []
    for of in _names(fitting) or ['']:
        own = [each for each in fitting if each.of == of]
        here = []
        for _, split, at in asked.columns:
            on_split = [each for each in own if each.split == split]
            here.append(_with_interval(on_split[-1], at) if on_split else '')
        first = not lines
        lines.append((name if first else '', *(cells if first else [''] * len(cells)), *here, of))
    return lines


def _names(measured) -> list[str]:
    return list(dict.fromkeys(each.of for each in measured))


def _named(each: Measured) -> str:
    words = {CNN: 'CNN', SIX: 'CNN of six convolutions', TUNED: 'CNN, pre-trained', STARRED: 'CNN*'}
    counted = collections.Counter(each.kinds)
    return ' + '.join(f'{number} {words[kind]}' for kind, number in counted.items())


def _with_interval(each: Measured, at: int) -> str:
    low, high = intervals.wilson(each.errors[at], each.examples)
    return f'{100 * each.errors[at]:.1f} ({100 * low:.1f} to {100 * high:.1f})'


def _difference(base: Sequence[Measured], changed: Sequence[Measured], at: int) -> str:
    means = [statistics.mean(each.errors[at] for each in group) for group in (base, changed)]
    variance = sum(
        mean * (1 - mean) / group[0].examples / len(group)
        for mean, group in zip(means, (base, changed), strict=True)
    )
    difference, reach = (
        100 * (means[1] - means[0]),
        100 * intervals.DEVIATIONS * math.sqrt(variance),
    )
    return f'{difference:+.1f} ({difference - reach:+.1f} to {difference + reach:+.1f})'
