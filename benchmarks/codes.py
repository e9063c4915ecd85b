"""Searches among random binary codes: NumPy, faiss, and faiss with a lookup table.

    python benchmarks/codes.py --codes=1000000 --bits=256

Prints queries per second (median and range of five searches) and memory of each, and whether NumPy
and faiss find the same.
"""

import time

import measuring
import numpy as np

from alexnet_tf.retrieval import binary_codes, search

_SEARCHES = 5


def measure(name: str, create_searcher, queries: np.ndarray, neighbours: int):
    """Measures a searcher, prints a row, and returns distances and indices of the neighbours."""
    memory = measuring.read_memory()
    searcher = create_searcher()
    searcher.search(queries[:1], neighbours)
    rates = []
    for _ in range(_SEARCHES):
        start = time.perf_counter()
        result = searcher.search(queries, neighbours)
        rates.append(len(queries) / (time.perf_counter() - start))
    memory = measuring.read_memory() - memory
    low, middle, high = (f'{rate:,.3g}' for rate in np.quantile(rates, [0, 0.5, 1]))
    print(f'{name}: {middle} queries/s ({low} to {high}), {memory:,.0f} MiB more')
    return result


def main() -> None:
    """Measures every engine on the same codes."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--codes', type=int, default=1_000_000, help='codes in the database')
    parser.add_argument('--bits', type=int, default=256, help='length of a code')
    parser.add_argument('--queries', type=int, default=100, help='codes that are searched for')
    parser.add_argument('--neighbours', type=int, default=100, help='results of each query')
    args = parser.parse_args()
    random = np.random.default_rng(0)
    codes, queries = (
        binary_codes.pack_bits(random.integers(0, 2, (number, args.bits), np.uint8))
        for number in (args.codes, args.queries)
    )
    print(f'{args.codes:,} codes of {args.bits} bits: {codes.nbytes / 2**20:.1f} MiB')
    results = [
        measure(
            engine,
            lambda engine=engine: search.HammingSearch(codes, engine),
            queries,
            args.neighbours,
        )
        for engine in search.ENGINES
    ]
    if args.bits <= search.MAX_LOOKUP_BITS:
        measure(
            'faiss, lookup table',
            lambda: search.HashLookup(codes, bits=args.bits, flips=2),
            queries,
            args.neighbours,
        )
    same = all(np.array_equal(*pair) for pair in zip(*results, strict=True))
    print(f'distances and indices are {"equal" if same else "NOT equal"}')


if __name__ == '__main__':
    main()
