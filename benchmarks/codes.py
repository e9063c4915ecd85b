"""Queries a second among random codes: NumPy, faiss, and faiss' table of lookups.

python benchmarks/codes.py --codes=1000000 --bits=256
"""

import argparse
import resource
import time

import numpy as np

from alexnet_tf.retrieval import binary_codes as codes_of
from alexnet_tf.retrieval import search

_ADDRESS = 28  # longest code that is looked up


def main() -> None:
    """Prints a row for each engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--codes', type=int, default=1_000_000)
    parser.add_argument('--bits', type=int, default=256)
    parser.add_argument('--queries', type=int, default=100)
    parser.add_argument('--neighbours', type=int, default=100)
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    codes, queries = (
        codes_of.packed(random.integers(0, 2, (number, asked.bits), np.uint8))
        for number in (asked.codes, asked.queries)
    )
    print(f'{asked.codes:,} codes of {asked.bits} bits: {codes.nbytes / 2**20:.1f} MiB')
    found = {}
    for engine in search.ENGINES:
        before, searcher = _memory(), search.Hamming(codes, engine)
        found[engine] = _measured(engine, searcher, queries, asked.neighbours, before)
    if asked.bits <= _ADDRESS:
        before, searcher = _memory(), search.Lookups(codes, asked.bits, flips=2)
        _measured('faiss, looked up', searcher, queries, asked.neighbours, before)
    same = all(np.array_equal(*pair) for pair in zip(*found.values(), strict=True))
    print(f'distances and places are {"equal" if same else "NOT equal"}')


def _measured(name: str, searcher, queries, number: int, before: float):
    searcher.nearest(queries[:1], number)
    start = time.perf_counter()
    found = searcher.nearest(queries, number)
    taken, more = time.perf_counter() - start, _memory() - before
    print(f'{name}: {len(queries) / taken:,.1f} queries/s, {more:,.0f} MiB more at most')
    return found


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
    main()
