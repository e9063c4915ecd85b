"""Pictures by likeness: the index of a split, the nearest to a picture, how good they are."""

import csv
import json
import pathlib
import sys
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.plot import availability
from alexnet_tf.commands.predict import predictor, streams
from alexnet_tf.commands.retrieve import evaluation, indexing
from alexnet_tf.config import schema
from alexnet_tf.reports import html as html_lib
from alexnet_tf.reports import tables
from alexnet_tf.retrieval import search
from alexnet_tf.runs import run as runs
from input_pipeline import errors, files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_DRAWN = 20  # queries


def run(config: schema.Config) -> None:
    """Does what `--retrieve` says."""
    asked = config.retrieve
    if asked.search_engine == 'faiss':
        try:
            search.faiss()
        except ImportError as error:
            raise schema.UsageError(str(error)) from error
    if asked.retrieve == 'query':
        return _query(config)
    manifest = manifests.load(config.data.data_dir)
    scoring.check_split(manifest, asked.database, '--database')
    network = scoring.Network(config, manifest).trained()
    if asked.retrieve == 'evaluate':
        return evaluation.run(config, manifest, network)
    found = indexing.made(config, manifest, network, asked.database, indexing.FEATURES)
    where = indexing.directory(config, asked.database, indexing.FEATURES)
    print(f'retrieve: {where}: {len(found.vectors):,} vectors of {found.vectors.width:,} values')
    for bits in asked.code_bits:
        _, codes = indexing.coded(config, found, asked.database, indexing.FEATURES, bits)
        print(f'retrieve: codes of {bits} bits: {codes.nbytes:,} bytes')


def _query(config: schema.Config) -> None:
    draw, known = _drawer(config)
    paths = streams.paths_of(config.predict.inputs)
    network = runs.load(config, compiled=True)
    database = config.retrieve.database
    found = indexing.standing(config, network, database, indexing.FEATURES, **known)
    nearest = _nearest(config, found)
    answered = predictor.Predictor(
        network, predictor.features(network), batch_size=config.evaluation.eval_batch_size
    )
    good, drawn = 0, []
    with streams.output(config.predict.output_file) as stream:
        write = _writer(config.predict.output, stream)
        for answer in streams.counted(answered(paths), len(paths), config.predict.output_file):
            row, places = _row(answer, found, nearest)
            write(row)
            good += not answer.error
            if draw and not answer.error and len(drawn) < _DRAWN:
                drawn.append((row, answer.square, places))
    if draw and drawn:
        draw(drawn)
        print(f'retrieve: drew {len(drawn)} queries in {config.predict.draw}', file=sys.stderr)
    if not good:
        raise errors.DataError(f'none of the {len(paths)} files could be read as a picture.')


def _nearest(config, found) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """vector -> (distances, places) of its neighbours."""
    number, engine = config.retrieve.neighbours, config.retrieve.search_engine
    coder = None
    if config.retrieve.code_bits:
        bits, database = config.retrieve.code_bits[0], config.retrieve.database
        coder, codes = indexing.coded(config, found, database, indexing.FEATURES, bits)
        searcher = search.Hamming(codes, engine)
    else:
        searcher = search.Euclidean(found.vectors, engine)

    def nearest(vector):
        asked = coder.encode(vector[None]) if coder else vector[None]
        distances, places = searcher.nearest(asked, number)
        return distances[0], places[0]

    return nearest


def _row(answer, found, nearest):
    if answer.error:
        return {'file': answer.path, 'error': answer.error}, ()
    distances, places = nearest(answer.values)
    neighbours = [
        {
            'example': found.ids[at],
            'class': found.classes[found.labels[at]],
            'distance': distance.item(),
        }
        for distance, at in zip(distances, places, strict=True)
    ]
    return {'file': answer.path, 'neighbours': neighbours}, places


def _writer(form: str, stream) -> Callable[[dict], None]:
    if form == 'json':
        return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')
    if form == 'csv':
        out = csv.writer(stream, lineterminator='\n')
        out.writerow(('file', 'rank', 'example', 'class', 'distance', 'error'))
        return lambda row: out.writerows(_csv_rows(row))

    def write(row):
        stream.write(f'{row["file"]}\n')
        if 'error' in row:
            stream.write(f'    error: {row["error"]}\n')
        for each in row.get('neighbours', ()):
            stream.write(f'    {each["distance"]:9.4g}  {each["class"]}  {each["example"]}\n')

    return write


def _csv_rows(row) -> Iterator[tuple]:
    file = tables.safe_cell(row['file'])
    if 'error' in row:
        yield file, '', '', '', '', row['error']
    for rank, each in enumerate(row.get('neighbours', ()), 1):
        names = (tables.safe_cell(each[name]) for name in ('example', 'class'))
        yield file, rank, *names, each['distance'], ''


def _drawer(config):
    """What draws queries with what was found, and what is known of its records; or (None, {})."""
    path = config.predict.draw
    if not path:
        return None, {}
    html = pathlib.Path(path).suffix in ('.html', '.htm')
    figures = None if html else availability.needed('--draw')
    manifest = manifests.load(config.data.data_dir)
    scoring.check_split(manifest, config.retrieve.database, '--database')
    shards = manifest.shards(config.retrieve.database)

    def squares_of(places):
        return datasets.squares(shards, manifest.layout, places)

    def draw(drawn):
        if html:
            text = html_lib.document('Nearest pictures', _blocks(drawn, squares_of))
            files.write_atomically(path, text.encode())
            return
        pictures, captions = [], []
        for row, square, places in drawn:
            pictures += [square, *squares_of(places.tolist())]
            captions += [pathlib.Path(row['file']).name, *map(_caption, row['neighbours'])]
        across = 1 + len(drawn[0][2])
        figures.save(figures.sheet(pictures, captions, across), pathlib.Path(path))

    return draw, {'manifest_sha256': manifest.sha256}


def _blocks(drawn, squares_of) -> Iterator[str]:
    for row, square, places in drawn:
        yield html_lib.heading(row['file'])
        found = zip(squares_of(places.tolist()), map(_caption, row['neighbours']), strict=True)
        yield html_lib.gallery(
            (tf.io.encode_jpeg(each).numpy(), caption)
            for each, caption in [(square, 'the query'), *found]
        )


def _caption(neighbour) -> str:
    return f'{neighbour["class"].split(",")[0]}\n{neighbour["distance"]:.4g}'
