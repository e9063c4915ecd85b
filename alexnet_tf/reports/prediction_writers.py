"""Predictions as a table, as CSV or as JSON, a row at a time."""

import csv
import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from alexnet_tf.reports import tables

Row = Mapping[str, Any]  # file, and either classes and probabilities (best first), or error


def create_writer(form: str, stream: TextIO, k: int) -> Callable[[Row], object]:
    """Returns a function that writes a row.

    Args:
        form: 'table', 'csv', or 'json' for one object a line.
        stream: Where rows are written.
        k: Number of classes in a row.
    """
    if form == 'json':
        return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')
    return _create_csv_writer(stream, k) if form == 'csv' else _create_table_writer(stream)


def _create_table_writer(stream: TextIO):
    def write(row):
        if 'error' in row:
            stream.write(f'{row["file"]}\n    error: {row["error"]}\n')
            return
        pairs = zip(row['classes'], row['probabilities'], strict=True)
        lines = [f'    {tables.format_percent(share):>7}  {name}\n' for name, share in pairs]
        stream.write(f'{row["file"]}\n{"".join(lines)}')

    return write


def _create_csv_writer(stream: TextIO, k: int):
    writer = csv.writer(stream, lineterminator='\n')
    ranks = range(1, k + 1)
    columns = [name for rank in ranks for name in (f'class_{rank}', f'probability_{rank}')]
    writer.writerow(['file', *columns, 'error'])

    def write(row):
        classes, probabilities = (row.get(key, [''] * k) for key in ('classes', 'probabilities'))
        cells = [tables.escape_cell(row['file'])]
        for name, probability in zip(classes, probabilities, strict=True):
            cells += [tables.escape_cell(name), probability]
        writer.writerow([*cells, row.get('error', '')])

    return write
