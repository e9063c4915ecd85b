"""Writes the neighbours of each query as a table, CSV or JSON lines."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

from alexnet_tf.reports import tables

Row = Mapping[str, Any]  # file, and either neighbours (nearest first) or error


def create_writer(form: str, stream: TextIO) -> Callable[[Row], object]:
    """Creates a function that writes one row.

    Args:
        form: 'table', 'csv' or 'json' (one object a line).
        stream: The stream that is written to.
    """
    return {'table': _create_table, 'csv': _create_csv, 'json': _create_json}[form](stream)


def _create_table(stream: TextIO):
    def write(row):
        stream.write(f'{row["file"]}\n')
        if 'error' in row:
            stream.write(f'    error: {row["error"]}\n')
        for neighbour in row.get('neighbours', ()):
            distance, name = f'{neighbour["distance"]:9.4g}', neighbour['class']
            stream.write(f'    {distance}  {name}  {neighbour["example"]}\n')

    return write


def _create_csv(stream: TextIO):
    out = csv.writer(stream, lineterminator='\n')
    out.writerow(('file', 'rank', 'example', 'class', 'distance', 'error'))
    return lambda row: out.writerows(_csv_rows(row))


def _csv_rows(row: Row) -> Iterator[tuple]:
    file = tables.escape_cell(row['file'])
    if 'error' in row:
        yield file, '', '', '', '', row['error']
    for rank, neighbour in enumerate(row.get('neighbours', ()), 1):
        example, name = (tables.escape_cell(neighbour[field]) for field in ('example', 'class'))
        yield file, rank, example, name, neighbour['distance'], ''


def _create_json(stream: TextIO):
    return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')
