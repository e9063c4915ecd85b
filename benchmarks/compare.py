"""Compares this package with stock Keras and PyTorch: the table of docs/results/benchmark.md.

    python benchmarks/compare.py --torch_python PATH_TO_A_PYTHON_WITH_TORCH --rounds 3

The contenders take turns, each in a process of its own, so that a change of the machine's speed
affects all of them. Each measurement is a row of --out; a stopped comparison resumes with the rows
that are missing, and one of another commit or other --runs begins anew.
"""

import collections
import json
import pathlib
import statistics
import sys

import measuring

from alexnet_tf.reports import provenance, tables

ALEXNET_TF = [sys.executable, '-m', 'alexnet_tf.main', '--mode=benchmark', '--recipe=paper']
ALEXNET_TF += ['--output=json', '--by_layer=false']
STOCK_KERAS = [sys.executable, 'benchmarks/stock_keras.py']
REFERENCE = 'stock Keras float32'
TWO_DEVICES = '--devices=/CPU:0,/CPU:1'


def list_contenders(torch_python: str) -> list[tuple[str, str, list[str]]]:
    """Lists (name, benchmark, command) of each contender."""
    contenders = []
    for kind in ('train_step', 'inference'):
        own = [*ALEXNET_TF, f'--benchmark={kind}']
        contenders += [
            ('alexnet_tf float32', kind, own),
            ('alexnet_tf bfloat16', kind, [*own, '--precision=bfloat16']),
            (REFERENCE, kind, [*STOCK_KERAS, '--benchmark', kind]),
        ]
        if torch_python:
            torch = [torch_python, 'benchmarks/pytorch.py', '--benchmark', kind]
            contenders += [
                ('PyTorch float32', kind, torch),
                ('PyTorch bfloat16', kind, [*torch, '--precision', 'bfloat16']),
            ]
    variants = {
        'float32, two devices': [TWO_DEVICES],
        'float32, one column': ['--columns=1'],
        'float32, source2012': ['--recipe=source2012'],
        'bfloat16, source2012': ['--recipe=source2012', '--precision=bfloat16'],
    }
    train = [*ALEXNET_TF, '--benchmark=train_step']
    return contenders + [
        (f'alexnet_tf {name}', 'train_step', [*train, *options])
        for name, options in variants.items()
    ]


def create_row(
    key: dict[str, object], name: str, kind: str, result: dict[str, object]
) -> dict[str, object]:
    """Creates the row of a measurement."""
    peak = result.get('peak_memory_bytes')
    return key | {
        'contender': name,
        'benchmark': kind,
        'images_per_sec': round(result['images_per_sec'], 2),
        'share': round(result.get('share_of_matrix_product', 0), 4) or '',
        'peak_gib': round(peak / 2**30, 3) if peak else '',
        'version': result.get('version', ''),
    }


def read_rows(path: pathlib.Path, commit: str, runs: int) -> list[dict[str, str]]:
    """Reads the measurements of a commit, of so many runs each."""
    key = {'commit': commit, 'runs': str(runs)}
    return [row for row in tables.read_csv(path) if key.items() <= row.items()]


def format_table(rows: list[dict[str, str]]) -> str:
    """Formats medians over the rounds, and ratios within each benchmark."""
    lines = [
        '| benchmark | | images/s | range | of the matrix product | peak, GiB | x stock Keras |',
        '|---|---|---|---|---|---|---|',
    ]
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row['benchmark'], row['contender']].append(row)
    rates = {key: [float(row['images_per_sec']) for row in group] for key, group in groups.items()}
    for (kind, name), group in groups.items():
        shares = [float(row['share']) for row in group if row['share']]
        peaks = [float(row['peak_gib']) for row in group if row['peak_gib']]
        measured = rates[kind, name]
        median = statistics.median(measured)
        share = f'{statistics.median(shares):.2f}' if shares else ''
        peak = f'{max(peaks):.2f}' if peaks else ''
        ratio = median / statistics.median(rates[kind, REFERENCE])
        lines.append(
            f'| {kind} | {name} | {median:.1f} | {min(measured):.1f} to {max(measured):.1f} '
            f'| {share} | {peak} | {ratio:.2f} |'
        )
    return '\n'.join(lines)


def main() -> None:
    """Measures what is missing and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--torch_python', default='', help='a Python with torch; none if empty')
    parser.add_argument('--rounds', type=int, default=3, help='measurements of each contender')
    parser.add_argument('--runs', type=int, default=5, help='batches of a measurement')
    parser.add_argument('--out', default='runs/benchmark.csv', help='where measurements are kept')
    args = parser.parse_args()
    path = pathlib.Path(args.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    if (known := tables.read_csv(path)) and 'commit' not in known[0]:
        parser.error(f'--out={path} is of an earlier version; name another')
    commit = provenance.collect()['commit'] or ''
    rows = read_rows(path, commit, args.runs)
    done = {(row['round'], row['contender'], row['benchmark']) for row in rows}
    for number in range(args.rounds):
        for name, kind, command in list_contenders(args.torch_python):
            if (str(number), name, kind) in done:
                continue
            result = json.loads(measuring.run([*command, f'--runs={args.runs}']))
            key = {'commit': commit, 'runs': args.runs, 'round': number}
            row = create_row(key, name, kind, result)
            tables.append_csv(path, row)
            print(row, file=sys.stderr, flush=True)
    print(format_table(read_rows(path, commit, args.runs)))


if __name__ == '__main__':
    main()
