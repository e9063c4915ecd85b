"""Predictions as people, spreadsheets and programs read them, a row at a time."""

import csv
import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from alexnet_tf.reports import tables

Row = Mapping[str, Any]  # file, and either classes and probabilities (best first), or error


def writer(form: str, stream: TextIO, top: int) -> Callable[[Row], object]:
    """What writes one row after the other.

    Args:
        form: 'table', 'csv' or 'json', which is one object a line.
        stream: Written to.
        top: Number of classes a row.
    """
    return {'table': _table, 'csv': _csv, 'json': _json}[form](stream, top)


def _table(stream: TextIO, top: int):
    def write(row):
        if 'error' in row:
            stream.write(f'{row["file"]}\n    error: {row["error"]}\n')
            return
        pairs = zip(row['classes'], row['probabilities'], strict=True)
        lines = [f'    {tables.percent(share):>7}  {name}\n' for name, share in pairs]
        stream.write(f'{row["file"]}\n{"".join(lines)}')

    return write


def _csv(stream: TextIO, top: int):
    out = csv.writer(stream, lineterminator='\n')
    places = range(1, top + 1)
    named = [name for at in places for name in (f'class_{at}', f'probability_{at}')]
    out.writerow(['file', *named, 'error'])

    def write(row):
        pairs = zip(
            row.get('classes', [''] * top), row.get('probabilities', [''] * top), strict=True
        )
        cells = [cell for name, share in pairs for cell in (tables.safe_cell(name), share)]
        out.writerow([tables.safe_cell(row['file']), *cells, row.get('error', '')])

    return write


def _json(stream: TextIO, top: int):
    return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')
