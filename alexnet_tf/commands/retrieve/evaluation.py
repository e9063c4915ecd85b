"""`--retrieve=evaluate`: quality and cost of exact search, of codes, and of pixels."""

import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from alexnet_tf.commands.retrieve import indexing
from alexnet_tf.config import fields, schema
from alexnet_tf.reports import tables
from alexnet_tf.retrieval import binary_codes, metrics, search
from alexnet_tf.retrieval import index as index_lib
from alexnet_tf.runs import loading, selection
from input_pipeline.records import manifests

_MAX_QUERIES = 1000
_PRECISION_AT = (1, 10)
_TRUE_NEIGHBOURS = 100  # of exact search, for the recall
_RANKED_AT_ONCE = 1 << 24  # indices of whole rankings in memory
_LOOKUP_FLIPS = 2
_METRICS = (*(f'precision_at_{k}' for k in _PRECISION_AT), 'average_precision')


class _Method(NamedTuple):
    """A way to search.

    Attributes:
        name: Name in the tables.
        bytes: Bytes of an image in the database.
        search: A search of the database, from `search`.
        queries: Queries in the form that it takes.
    """

    name: str
    bytes: int
    search: Any
    queries: np.ndarray


class _Scores(NamedTuple):
    """Scores of a method; metrics have one value for each query.

    Attributes:
        method: The method.
        metrics: Values of _METRICS; None if the method gives no whole ranking.
        recall: Share of the true nearest neighbours found, in [0, 1].
        milliseconds: Mean time of a query.
    """

    method: _Method
    metrics: dict[str, np.ndarray | None]
    recall: float
    milliseconds: float


def run(config: schema.Config, trained: loading.TrainedRun, manifest: manifests.Manifest) -> None:
    """Compares the methods: prints a table, and writes it and one by class beside the indexes.

    Raises:
        UsageError: The split of the queries is the database, or is not in the records.
    """
    split, database = config.evaluation.split, config.retrieve.database
    if split == database:
        raise fields.UsageError(
            f'--split={split} is also the --database, where the queries would find themselves. '
            'Choose another split.'
        )
    selection.check_split(manifest, split, '--split')
    indexes, query_indexes = (
        {
            kind: indexing.build_index(config, trained, manifest=manifest, split=name, kind=kind)
            for kind in (indexing.FEATURES, indexing.PIXELS)
        }
        for name in (database, split)
    )
    chosen = _choose_queries(len(query_indexes[indexing.FEATURES].labels), config.seed)
    queries = {kind: index.vectors.take(chosen) for kind, index in query_indexes.items()}
    labels = indexes[indexing.FEATURES].labels
    query_labels = query_indexes[indexing.FEATURES].labels[chosen]
    methods = list(_create_methods(config, indexes, queries))
    _, neighbours = methods[0].search.search(methods[0].queries, _TRUE_NEIGHBOURS)
    scores = [_score(method, labels, query_labels, neighbours) for method in methods]
    root = indexes[indexing.FEATURES].directory.parent
    classes = loading.name_classes(manifest.classes, manifest.words)
    _write_tables(root, scores, query_labels=query_labels, classes=classes)
    print(f'{len(chosen):,} queries of {split} among {len(labels):,} images of {database}')
    print(_format_table(scores))
    print(f'retrieve: {root / "retrieval.csv"}, {root / "retrieval-by-class.csv"}')


def _choose_queries(number: int, seed: int) -> np.ndarray:
    if number <= _MAX_QUERIES:
        return np.arange(number)
    return np.sort(np.random.default_rng(seed).choice(number, _MAX_QUERIES, replace=False))


def _create_methods(
    config: schema.Config, indexes: dict[str, index_lib.Index], queries: dict[str, np.ndarray]
) -> Iterator[_Method]:
    """Yields the methods; the first is the exact search of features."""
    engine, features = config.retrieve.search_engine, indexing.FEATURES
    for kind, index in indexes.items():
        euclidean = search.EuclideanSearch(index.vectors)
        yield _Method(f'{kind}, exact', 4 * index.vectors.width, euclidean, queries[kind])
    for bits in config.retrieve.code_bits:
        for kind, index in indexes.items():
            coder, codes = indexing.build_codes(index, bits, config.seed)
            name, query_codes = f'{kind}, autoencoder, {bits} bits', coder.encode(queries[kind])
            hamming = search.HammingSearch(codes, engine)
            yield _Method(name, codes.shape[1], hamming, query_codes)
            if kind == features and engine == 'faiss' and bits <= search.MAX_LOOKUP_BITS:
                lookup = search.HashLookup(codes, bits=bits, flips=_LOOKUP_FLIPS)
                yield _Method(f'{name}, looked up', codes.shape[1], lookup, query_codes)
        vectors = indexes[features].vectors
        coder = binary_codes.RandomProjections(vectors.width, bits, config.seed)
        coder.fit(vectors)
        codes = binary_codes.encode_all(coder, vectors)
        hamming = search.HammingSearch(codes, engine)
        name = f'{features}, random projections, {bits} bits'
        yield _Method(name, codes.shape[1], hamming, coder.encode(queries[features]))
        if engine == 'faiss':
            quantiser = search.ProductQuantiserSearch(vectors, bits)
            name = f'{features}, product quantiser, {bits} bits'
            yield _Method(name, codes.shape[1], quantiser, queries[features])


def _score(
    method: _Method, labels: np.ndarray, query_labels: np.ndarray, neighbours: np.ndarray
) -> _Scores:
    method.search.search(method.queries[:1], 1)  # warm up
    start = time.perf_counter()
    _, indices = method.search.search(method.queries, neighbours.shape[1])
    seconds = (time.perf_counter() - start) / len(query_labels)
    scores = {
        f'precision_at_{k}': metrics.compute_precision(labels, query_labels, indices, k=k)
        for k in _PRECISION_AT
    }
    scores['average_precision'] = _average_precision(method, labels, query_labels)
    return _Scores(method, scores, metrics.compute_recall(neighbours, indices), 1000 * seconds)


def _average_precision(method: _Method, labels, query_labels) -> np.ndarray | None:
    if isinstance(method.search, search.HashLookup):
        return None
    size, parts = max(1, _RANKED_AT_ONCE // len(labels)), []
    for at in range(0, len(query_labels), size):
        block = slice(at, at + size)
        ranking = method.search.rank(method.queries[block])
        parts.append(metrics.compute_average_precision(labels, query_labels[block], ranking))
    return np.concatenate(parts)


def _format_table(scores: Sequence[_Scores]) -> str:
    header = ('vectors', *(f'precision@{k}' for k in _PRECISION_AT), 'mean average precision')
    header += (f'of the {_TRUE_NEIGHBOURS} nearest by features', 'bytes/image', 'ms/query')
    rows = []
    for method, values, recall, milliseconds in scores:
        *precision, average = (None if v is None else v.mean() for v in values.values())
        row = [method.name, *map(tables.format_percent, precision)]
        row += ['' if average is None else f'{average:.3f}', tables.format_percent(recall)]
        rows.append([*row, f'{method.bytes:,}', f'{milliseconds:.2f}'])
    return tables.format_table(header, rows)


def _write_tables(
    root: pathlib.Path, scores: Sequence[_Scores], *, query_labels: np.ndarray, classes
) -> None:
    every = np.ones(len(query_labels), bool)
    rows, class_rows = [], []
    for score in scores:
        name, size = score.method.name, score.method.bytes
        rows.append((name, *_means(score, every), score.recall, size, score.milliseconds))
        for label, class_name in enumerate(classes):
            own = query_labels == label
            if own.any():
                class_rows.append((name, class_name, int(own.sum()), *_means(score, own)))
    header = ('method', *_METRICS, 'recall_of_nearest', 'bytes_per_image', 'ms_per_query')
    tables.write_csv(root / 'retrieval.csv', header, rows)
    header = ('method', 'class', 'queries', *_METRICS)
    tables.write_csv(root / 'retrieval-by-class.csv', header, class_rows)


def _means(score: _Scores, chosen: np.ndarray) -> list[float | str]:
    values = (score.metrics[name] for name in _METRICS)
    return ['' if value is None else value[chosen].mean() for value in values]
