"""`--mode=retrieve`: indexes a split, finds the neighbours of images, or evaluates retrieval."""

import itertools
import json
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from alexnet_tf.commands.predict import streams
from alexnet_tf.commands.retrieve import evaluation, indexing
from alexnet_tf.config import schema
from alexnet_tf.plots import availability
from alexnet_tf.reports import html
from alexnet_tf.retrieval import index as index_lib
from alexnet_tf.retrieval import search
from alexnet_tf.runs import image_index, loading, predictor, run_directory, selection
from input_pipeline import escaping, files
from input_pipeline.batches import datasets
from input_pipeline.records import manifests

_QUERY_BATCH = 64
_PLOTTED_QUERIES = 20

_Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # vectors -> distances, indices
_Row = Mapping[str, Any]  # file, and either neighbours (nearest first) or error


def run(config: schema.Config) -> None:
    """Builds an index, queries it or evaluates it, as `--retrieve` says."""
    if config.retrieve.search_engine == 'faiss':
        search.import_faiss()  # before anything is computed
    if config.retrieve.retrieve == 'query':
        return _query(config)
    run_directory.read_data(pathlib.Path(config.run_dir))  # a wrong name, before its records
    manifest = _load_database(config)
    trained = loading.load_run(config, compiled=True)  # the records may be of other classes
    run_directory.check_same_size(trained.directory, manifest)
    if config.retrieve.retrieve == 'evaluate':
        return evaluation.run(config, trained, manifest)
    return _build(config, trained, manifest)


def _load_database(config: schema.Config) -> manifests.Manifest:
    manifest = image_index.load_manifest(config)
    selection.check_split(manifest, config.retrieve.database, '--database')
    return manifest


def _build(config, trained: loading.TrainedRun, manifest: manifests.Manifest) -> None:
    split, kind = config.retrieve.database, indexing.FEATURES
    index = indexing.build_index(config, trained, manifest=manifest, split=split, kind=kind)
    vectors = index.vectors
    print(f'retrieve: {index.directory}: {len(vectors):,} vectors of {vectors.width:,} values')
    for bits in config.retrieve.code_bits:
        _, codes = indexing.build_codes(index, bits, config.seed)
        print(f'retrieve: {bits}-bit codes: {codes.nbytes:,} bytes')


def _query(config: schema.Config) -> None:
    if config.predict.draw and not _is_html(config):
        availability.require_plots('--draw')
    manifest = _load_database(config) if config.predict.draw else None
    paths = streams.list_inputs(config.predict.inputs)
    trained = loading.load_run(config, compiled=True)
    expected = {'manifest_sha256': manifest.sha256} if manifest else {}
    index = indexing.load_index(config, trained, **expected)
    extract = predictor.build_feature_function(trained)
    predict = predictor.Predictor(trained, extract, batch_size=config.evaluation.eval_batch_size)
    neighbours = _find_neighbours(predict(paths), index, _create_search(config, index))
    plotted = streams.write_rows(
        config, neighbours, len(paths), create_writer=_create_writer, limit=_PLOTTED_QUERIES
    )
    if manifest:
        _save_plot(config, manifest, plotted)
        print(f'retrieve: wrote {config.predict.draw} with {len(plotted)} queries', file=sys.stderr)


def _create_search(config: schema.Config, index: index_lib.Index) -> _Search:
    """Creates the search among the vectors of an index, or among their codes."""
    k = config.retrieve.neighbours
    if not config.retrieve.code_bits:
        vector_search = search.EuclideanSearch(index.vectors)
        return lambda vectors: vector_search.search(vectors, k)
    coder, codes = indexing.build_codes(index, config.retrieve.code_bits[0], config.seed)
    code_search = search.HammingSearch(codes, config.retrieve.search_engine)
    return lambda vectors: code_search.search(coder.encode(vectors), k)


def _find_neighbours(predictions: Iterator, index: index_lib.Index, search_index: _Search):
    """Yields (row, square, indices of the neighbours) of each file; no square if unreadable."""
    while batch := list(itertools.islice(predictions, _QUERY_BATCH)):
        vectors = [prediction.values for prediction in batch if not prediction.error]
        results = zip(*search_index(np.stack(vectors)), strict=True) if vectors else iter(())
        for prediction in batch:
            row = {'file': prediction.path}
            if prediction.error:
                yield row | {'error': prediction.error}, None, ()
                continue
            distances, indices = next(results)
            neighbours = [
                {
                    'example': index.ids[at],
                    'class': index.classes[index.labels[at]],
                    'distance': distance.item(),
                }
                for distance, at in zip(distances, indices, strict=True)
            ]
            yield row | {'neighbours': neighbours}, prediction.square, indices


def _create_writer(form: str, stream: TextIO) -> Callable[[_Row], object]:
    """Creates a function that writes a row as a 'table', as 'csv' or as a line of 'json'."""
    if form == 'json':
        return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + '\n')
    if form == 'csv':
        header = ('file', 'rank', 'example', 'class', 'distance', 'error')
        stream.write(files.format_csv([header]))
        return lambda row: stream.write(files.format_csv(_list_cells(row)))
    return lambda row: stream.writelines(
        f'{escaping.to_printable(line)}\n' for line in _format_lines(row)
    )


def _format_lines(row: _Row) -> Iterator[str]:
    yield row['file']
    if 'error' in row:
        yield f'    error: {row["error"]}'
    for neighbour in row.get('neighbours', ()):
        distance, name = f'{neighbour["distance"]:9.4g}', neighbour['class']
        yield f'    {distance}  {name}  {neighbour["example"]}'


def _list_cells(row: _Row) -> Iterator[tuple]:
    file = escaping.escape_cell(row['file'])
    if 'error' in row:
        yield file, '', '', '', '', row['error']
    for rank, neighbour in enumerate(row.get('neighbours', ()), 1):
        example, name = (escaping.escape_cell(neighbour[field]) for field in ('example', 'class'))
        yield file, rank, example, name, neighbour['distance'], ''


def _save_plot(config: schema.Config, manifest: manifests.Manifest, queries: list[tuple]) -> None:
    """Writes `--draw`, an image or an HTML page: each query, followed by its neighbours.

    Args:
        config: Settings of the command.
        manifest: Manifest of the database's records.
        queries: (row of the output, (size, size, 3) uint8 RGB, indices of the neighbours) of each.
    """
    path, galleries = pathlib.Path(config.predict.draw), _read_galleries(config, manifest, queries)
    if _is_html(config):
        page = html.document('Nearest images', _html_blocks(galleries))
        files.write_atomically(path, page.encode())
        return
    images, captions = [], []
    for file, squares, texts in galleries:
        images += squares
        captions += [pathlib.Path(file).name, *texts]
    charts, columns = availability.require_plots('--draw'), 1 + len(queries[0][2])
    charts.save_figure(charts.plot_image_grid(images, captions, columns), path)


def _is_html(config: schema.Config) -> bool:
    return pathlib.Path(config.predict.draw).suffix in ('.html', '.htm')


def _read_galleries(config, manifest, queries) -> Iterator[tuple[str, list[np.ndarray], list[str]]]:
    """Yields (file, squares of the query and its neighbours, captions of the neighbours)."""
    shards = manifest.list_shards(config.retrieve.database)
    for row, square, indices in queries:
        squares = datasets.read_squares(shards, manifest.layout, indices.tolist())
        captions = [
            f'{neighbour["class"].split(",")[0]}\n{neighbour["distance"]:.4g}'
            for neighbour in row['neighbours']
        ]
        yield row['file'], [square, *squares], captions


def _html_blocks(galleries) -> Iterator[str]:
    for file, squares, captions in galleries:
        yield html.heading(file)
        images = zip(squares, ('the query', *captions), strict=True)
        yield html.gallery((tf.io.encode_jpeg(image).numpy(), text) for image, text in images)
