"""`--mode=retrieve`: indexes a split, finds the neighbours of images, or evaluates retrieval."""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator

import numpy as np

from alexnet_tf.commands.evaluate import scoring, selection
from alexnet_tf.commands.predict import predictor, streams
from alexnet_tf.commands.retrieve import coding, evaluation, indexing, neighbour_plots, writers
from alexnet_tf.config import schema
from alexnet_tf.retrieval import index as index_lib
from alexnet_tf.retrieval import search
from alexnet_tf.runs import loading
from input_pipeline.records import manifests

_QUERY_BATCH = 64
_PLOTTED_QUERIES = 20

Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # vectors -> distances, indices


def run(config: schema.Config) -> None:
    """Builds an index, queries it or evaluates it, as `--retrieve` says."""
    if config.retrieve.search_engine == 'faiss':
        search.import_faiss()  # before anything is computed
    if config.retrieve.retrieve == 'query':
        return _query(config)
    manifest = manifests.load(config.data.data_dir)
    selection.check_split(manifest, config.retrieve.database, '--database')
    trained = scoring.RunEvaluator(config, manifest).run
    if config.retrieve.retrieve == 'evaluate':
        return evaluation.run(config, trained, manifest)
    return _build(config, trained, manifest)


def _build(config, trained: loading.TrainedRun, manifest: manifests.Manifest) -> None:
    index = indexing.build_index(
        config,
        trained,
        manifest=manifest,
        split=config.retrieve.database,
        kind=indexing.FEATURES,
    )
    vectors = index.vectors
    print(f'retrieve: {index.directory}: {len(vectors):,} vectors of {vectors.width:,} values')
    for bits in config.retrieve.code_bits:
        _, codes = coding.build_codes(index, bits, config.seed)
        print(f'retrieve: {bits}-bit codes: {codes.nbytes:,} bytes')


def _query(config: schema.Config) -> None:
    manifest = neighbour_plots.load_database(config) if config.predict.draw else None
    paths = streams.list_inputs(config.predict.inputs)
    trained = loading.load_run(config, compiled=True)
    expected = {'manifest_sha256': manifest.sha256} if manifest else {}
    index = indexing.load_index(config, trained, **expected)
    predict = predictor.Predictor(
        trained,
        predictor.build_feature_function(trained),
        batch_size=config.evaluation.eval_batch_size,
    )
    neighbours = _find_neighbours(predict(paths), index, _create_search(config, index))
    plotted = streams.write_rows(
        config,
        neighbours,
        len(paths),
        create_writer=functools.partial(writers.create_writer, config.predict.output),
        limit=_PLOTTED_QUERIES,
    )
    if manifest:
        neighbour_plots.save_plot(config, manifest, plotted)
        print(f'retrieve: wrote {config.predict.draw} with {len(plotted)} queries', file=sys.stderr)


def _create_search(config: schema.Config, index: index_lib.Index) -> Search:
    """Creates the search among the vectors of an index, or among their codes."""
    k = config.retrieve.neighbours
    if not config.retrieve.code_bits:
        vector_search = search.EuclideanSearch(index.vectors)
        return lambda vectors: vector_search.search(vectors, k)
    coder, codes = coding.build_codes(index, config.retrieve.code_bits[0], config.seed)
    code_search = search.HammingSearch(codes, config.retrieve.search_engine)
    return lambda vectors: code_search.search(coder.encode(vectors), k)


def _find_neighbours(predictions: Iterator, index: index_lib.Index, search_index: Search):
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
