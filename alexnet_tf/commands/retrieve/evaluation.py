"""How good what is found is, and what it costs: vectors against codes against pixels."""

import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.retrieve import indexing
from alexnet_tf.config import schema
from alexnet_tf.reports import tables
from alexnet_tf.retrieval import binary_codes, index, metrics, search
from alexnet_tf.runs import run as runs
from input_pipeline import files

_QUERIES = 1000  # at most; drawn where the split has more
_AT = (1, 10)  # precision at
_TRUE = 100  # truly nearest that are to be found
_RANKED = 1 << 24  # places at a time in whole rankings
_FLIPS = 2  # bits of a short code that a lookup in a table may miss
_ADDRESS = 28  # longest code that is looked up


class _Way(NamedTuple):
    """A way to search.

    Attributes:
        name: For people.
        bytes: A picture.
        searcher: Of `search`, built.
        queries: In its form.
        rank: queries -> all places, nearest first; None where there is no ranking.
    """

    name: str
    bytes: int
    searcher: Any
    queries: np.ndarray
    rank: Callable[[np.ndarray], np.ndarray] | None


def run(config: schema.Config, manifest, network: runs.Run) -> None:
    """Prints a table of all ways to search, and writes it and one by class beside the indexes."""
    split, database = config.evaluation.split, config.retrieve.database
    if split == database:
        raise schema.UsageError(
            f'--split={split} is searched itself (--database): its pictures would find themselves.'
        )
    scoring.check_split(manifest, split, '--split')
    found, asked = (
        {
            kind: indexing.made(config, manifest, network, each, kind)
            for kind in (indexing.FEATURES, indexing.PIXELS)
        }
        for each in (database, split)
    )
    number = len(asked[indexing.FEATURES].labels)
    chosen = np.arange(number)
    if number > _QUERIES:
        chosen = np.sort(np.random.default_rng(config.seed).choice(number, _QUERIES, replace=False))
    queries = {kind: each.vectors.rows(chosen) for kind, each in asked.items()}
    labels = found[indexing.FEATURES].labels, asked[indexing.FEATURES].labels[chosen]
    ways = _ways(config, found, queries)
    true = ways[0].searcher.nearest(ways[0].queries, _TRUE)[1]
    measured = [_measured(way, labels, true) for way in ways]
    root = indexing.directory(config, database, indexing.FEATURES).parent
    _write(root, network.names, labels[1], measured)
    print(f'{len(chosen):,} queries of {split} among {len(labels[0]):,} pictures of {database}')
    print(_table(measured))
    print(f'retrieve: {root / "retrieval.csv"}, {root / "retrieval-by-class.csv"}')


def _ways(config, found: dict[str, index.Index], queries) -> list[_Way]:
    engine, database = config.retrieve.search_engine, config.retrieve.database
    ways = [_exact(f'{kind}, exact', found[kind], queries[kind], engine) for kind in found]
    for bits in config.retrieve.code_bits:
        for kind in found:
            coder, every = indexing.coded(config, found[kind], database, kind, bits)
            name = f'{kind}, autoencoder, {bits} bits'
            ways.append(_coded(name, every, coder.encode(queries[kind]), engine))
            if kind == indexing.FEATURES and engine == 'faiss' and bits <= _ADDRESS:
                name = f'{kind}, autoencoder, {bits} bits, looked up'
                ways.append(_looked_up(name, every, coder.encode(queries[kind]), bits))
        vectors = found[indexing.FEATURES].vectors
        coder = binary_codes.Projections(vectors.width, bits, config.seed)
        coder.learn(vectors)
        every = binary_codes.every(coder, vectors)
        name = f'{indexing.FEATURES}, random projections, {bits} bits'
        ways.append(_coded(name, every, coder.encode(queries[indexing.FEATURES]), engine))
    return ways


def _exact(name: str, found: index.Index, queries, engine: str) -> _Way:
    searcher = search.Euclidean(found.vectors, engine)
    return _Way(name, 4 * found.vectors.width, searcher, queries, searcher.ranking)


def _coded(name: str, every: np.ndarray, queries, engine: str) -> _Way:
    searcher = search.Hamming(every, engine)

    def ranking(some):
        return searcher.nearest(some, len(every))[1]

    return _Way(name, every.shape[1], searcher, queries, ranking)


def _looked_up(name: str, every: np.ndarray, queries, bits: int) -> _Way:
    return _Way(name, every.shape[1], search.Lookups(every, bits, _FLIPS), queries, None)


def _measured(way: _Way, labels, true) -> dict[str, Any]:
    """Scores of one way; arrays have a value for each query."""
    database, asked = labels
    way.searcher.nearest(way.queries[:1], 1)
    start = time.perf_counter()
    places = way.searcher.nearest(way.queries, true.shape[1])[1]
    taken = (time.perf_counter() - start) / len(asked)
    average = None
    if way.rank:
        size = max(1, _RANKED // len(database))
        blocks = [slice(at, at + size) for at in range(0, len(asked), size)]
        average = np.concatenate(
            [
                metrics.average_precision(database, asked[each], way.rank(way.queries[each]))
                for each in blocks
            ]
        )
    return {
        'way': way.name,
        'bytes': way.bytes,
        'milliseconds': 1000 * taken,
        **{f'precision_at_{k}': metrics.precision(database, asked, places, k) for k in _AT},
        'average_precision': average,
        'recall': metrics.recall(true, places),
    }


def _table(measured) -> str:
    header = ('vectors', *(f'precision@{k}' for k in _AT), 'mean average precision')
    header += (f'of the {_TRUE} nearest', 'bytes a picture', 'ms a query')
    rows = [
        (
            each['way'],
            *(tables.percent(each[f'precision_at_{k}'].mean()) for k in _AT),
            '' if each['average_precision'] is None else f'{each["average_precision"].mean():.3f}',
            tables.percent(each['recall']),
            f'{each["bytes"]:,}',
            f'{each["milliseconds"]:.2f}',
        )
        for each in measured
    ]
    return tables.text(header, rows)


def _write(root: pathlib.Path, classes, labels, measured) -> None:
    columns = [*(f'precision_at_{k}' for k in _AT), 'average_precision']
    header = ('way', *columns, 'recall_of_nearest', 'bytes_a_picture', 'milliseconds_a_query')
    rows = [
        (
            each['way'],
            *('' if each[name] is None else each[name].mean() for name in columns),
            each['recall'],
            each['bytes'],
            each['milliseconds'],
        )
        for each in measured
    ]
    files.write_csv(root / 'retrieval.csv', [header, *rows])
    by_class = [
        (
            each['way'],
            tables.safe_cell(name),
            int((labels == label).sum()),
            *('' if each[of] is None else each[of][labels == label].mean() for of in columns),
        )
        for each in measured
        for label, name in enumerate(classes)
        if (labels == label).any()
    ]
    files.write_csv(
        root / 'retrieval-by-class.csv', [('way', 'class', 'queries', *columns), *by_class]
    )
