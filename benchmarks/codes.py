"""Queries a second among random codes: NumPy, faiss, and faiss' table of lookups.

python benchmarks/codes.py --codes=1000000 --bits=256
"""

import argparse
import resource
import time

import numpy as np

from alexnet_tf.retrieval import search


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
        random.integers(0, 256, (number, asked.bits // 8), np.uint8)
        for number in (asked.codes, asked.queries)
    )
    print(f'{asked.codes:,} codes of {asked.bits} bits: {codes.nbytes / 2**20:.1f} MiB')
    found = {}
    for engine in search.ENGINES:
        before, start = _memory(), time.perf_counter()
        found[engine] = search.hamming(codes, queries, asked.neighbours, engine)
        taken = time.perf_counter() - start
        more = _memory() - before
        print(f'{engine}: {asked.queries / taken:,.1f} queries/s, {more:,.0f} MiB more at most')
    same = all(np.array_equal(*pair) for pair in zip(*found.values(), strict=True))
    print(f'distances and places are {"equal" if same else "NOT equal"}')


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
    main()
