"""Predictions as a table, as CSV or as JSON, a row at a time."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from alexnet_tf.reports import tables
from input_pipeline import escaping, files

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
            lines = [f'error: {row["error"]}']
        else:
            pairs = zip(row['classes'], row['probabilities'], strict=True)
            lines = [f'{tables.format_percent(share):>7}  {name}' for name, share in pairs]
        lines = [row['file'], *(f'    {line}' for line in lines)]
        stream.writelines(f'{escaping.to_printable(line)}\n' for line in lines)

    return write


def _create_csv_writer(stream: TextIO, k: int):
    ranks = range(1, k + 1)
    columns = [name for rank in ranks for name in (f'class_{rank}', f'probability_{rank}')]
    stream.write(files.format_csv([['file', *columns, 'error']]))

    def write(row):
        classes, probabilities = (row.get(key, [''] * k) for key in ('classes', 'probabilities'))
        cells = [escaping.escape_cell(row['file'])]
        for name, probability in zip(classes, probabilities, strict=True):
            cells += [escaping.escape_cell(name), probability]
        stream.write(files.format_csv([[*cells, row.get('error', '')]]))

    return write
