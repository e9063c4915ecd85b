"""Pictures -> the five likeliest classes of each."""

import contextlib
import csv
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf.reporting import tables
from alexnet_tf.training import step as steps
from alexnet_tf.workflows import run as runs

TOP = 5
_BATCH, _DRAWN = 32, 8


def run(config: configs.Config) -> None:
    """Writes a row for each picture, with its classes or with what is wrong with it."""
    figures = _figures() if config.predict.draw else None
    paths = _paths(config.predict.inputs)
    trained = runs.load(config)
    good, drawn = 0, []
    with _output(config.predict.output_file) as stream:
        write = _WRITERS[config.predict.output](stream, min(TOP, len(trained.classes)))
        for row, square in _predictions(trained, paths):
            write(row)
            good += 'error' not in row
            if square is not None and len(drawn) < _DRAWN:
                drawn.append((row, square))
    if figures and drawn:
        figures.predictions(drawn, pathlib.Path(config.predict.draw))
        print(f'predict: drew {len(drawn)} pictures in {config.predict.draw}', file=sys.stderr)
    if not good:
        raise input_pipeline.errors.DataError(
            f'none of the {len(paths)} files could be read as a picture.'
        )


def _figures():
    try:
        from alexnet_tf.reporting import figures
    except ImportError as error:
        raise configs.UsageError(
            '--draw needs matplotlib: pip install "alexnet_tf[plots]".'
        ) from error
    return figures


def _paths(inputs) -> list[pathlib.Path]:
    """The files named, and all files in the folders named, hidden ones left out."""
    paths = []
    for each in map(pathlib.Path, inputs):
        if not each.exists():
            raise configs.UsageError(f'--inputs={each}: no such file or folder.')
        paths += _files_below(each) if each.is_dir() else [each]
    if not paths:
        raise configs.UsageError(f'--inputs={",".join(inputs)}: no files there.')
    return paths


def _files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    def hidden(path):
        return any(part.startswith('.') for part in path.relative_to(folder).parts)

    return sorted(each for each in folder.rglob('*') if each.is_file() and not hidden(each))


def _predictions(trained: runs.Run, paths) -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
    """(row, square) of each path in its order; the square is None where there is no picture."""
    score = _scorer(trained)
    for start in range(0, len(paths), _BATCH):
        read = [_read(path, trained) for path in paths[start : start + _BATCH]]
        squares = [each for each in read if not isinstance(each, str)]
        scores = iter(score(np.stack(squares)) if squares else ())
        for path, each in zip(paths[start : start + _BATCH], read, strict=True):
            if isinstance(each, str):
                yield {'file': str(path), 'error': each}, None
            else:
                yield {'file': str(path)} | _top(next(scores), trained.names), each


def _scorer(trained: runs.Run):
    @tf.function(input_signature=[tf.TensorSpec([None, *trained.mean_image.shape], tf.uint8)])
    def score(squares):
        views = input_pipeline.preprocessing.views(
            squares, trained.mean_image, crop_size=trained.recipe.crop_size, number=1
        )
        return steps.averaged_probabilities(trained.model(views, training=False), 1)

    return lambda squares: score(squares).numpy()


def _read(path: pathlib.Path, trained: runs.Run) -> np.ndarray | str:
    """The picture's square, or what is wrong with it."""
    try:
        return input_pipeline.shards.read_square(
            path.read_bytes(),
            exif_orientation=trained.exif_orientation,
            square_size=len(trained.mean_image),
        ).numpy()
    except (tf.errors.OpError, OSError, ValueError) as error:
        return input_pipeline.errors.reason(error)


def _top(scores: np.ndarray, classes) -> dict[str, Any]:
    best = np.argsort(-scores, kind='stable')[:TOP]
    return {
        'classes': [classes[each] for each in best],
        'probabilities': [float(scores[each]) for each in best],
    }


@contextlib.contextmanager
def _output(path: str):
    if not path:
        yield sys.stdout
        return
    with (
        input_pipeline.files.atomic_file(path) as aside,
        open(aside, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file,
    ):
        yield file


def _table_writer(stream, top: int):
    def write(row):
        if 'error' in row:
            stream.write(f'{row["file"]}\n    error: {row["error"]}\n')
            return
        pairs = zip(row['classes'], row['probabilities'], strict=True)
        lines = [f'    {tables.percent(share):>7}  {name}\n' for name, share in pairs]
        stream.write(f'{row["file"]}\n{"".join(lines)}')

    return write


def _csv_writer(stream, top: int):
    writer = csv.writer(stream, lineterminator='\n')
    places = range(1, top + 1)
    named = [name for at in places for name in (f'class_{at}', f'probability_{at}')]
    writer.writerow(['file', *named, 'error'])

    def write(row):
        pairs = zip(
            row.get('classes', [''] * top), row.get('probabilities', [''] * top), strict=True
        )
        cells = [cell for name, share in pairs for cell in (tables.safe_cell(name), share)]
        writer.writerow([tables.safe_cell(row['file']), *cells, row.get('error', '')])

    return write


def _json_writer(stream, top: int):
    return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')


_WRITERS = {'table': _table_writer, 'csv': _csv_writer, 'json': _json_writer}
