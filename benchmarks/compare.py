"""This package beside stock Keras and PyTorch, in one run: the table of docs/results/benchmark.md.

    python benchmarks/compare.py --torch_python PATH_TO_A_PYTHON_WITH_TORCH --rounds 3

Contenders take turns, each in a process of its own, so that a machine that changes changes for
all. Each measurement is one line of --out; a run that was stopped goes on with what is missing.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
# This package turns oneDNN on; so it is for all.
ENVIRONMENT = os.environ | {'TF_ENABLE_ONEDNN_OPTS': '1'}
OURS = [sys.executable, '-m', 'alexnet_tf.main', '--mode=benchmark', '--recipe=paper']
OURS += ['--output=json', '--by_layer=false']
STOCK = [sys.executable, 'benchmarks/stock_keras.py']
TWO = ['--devices=/CPU:0,/CPU:1']
FIELDS = ('round', 'contender', 'benchmark', 'images_per_sec', 'share', 'peak_gib', 'version')


def contenders(torch_python: str) -> list[tuple[str, str, list[str]]]:
    """(name, benchmark, command) of each."""
    found = []
    for kind in ('train_step', 'inference'):
        ours = [*OURS, f'--benchmark={kind}']
        peers = ['--benchmark', kind]
        found += [
            ('alexnet_tf float32', kind, ours),
            ('alexnet_tf bfloat16', kind, [*ours, '--precision=bfloat16']),
            ('stock Keras float32', kind, [*STOCK, *peers]),
        ]
        if torch_python:
            torch = [torch_python, 'benchmarks/pytorch.py', *peers]
            found += [
                ('PyTorch float32', kind, torch),
                ('PyTorch bfloat16', kind, [*torch, '--precision', 'bfloat16']),
            ]
    train = [*OURS, '--benchmark=train_step']
    return [
        *found,
        ('alexnet_tf float32, two devices', 'train_step', [*train, *TWO]),
        ('alexnet_tf float32, one column', 'train_step', [*train, '--columns=1']),
        ('alexnet_tf float32, source2012', 'train_step', [*train, '--recipe=source2012']),
        (
            'alexnet_tf bfloat16, source2012',
            'train_step',
            [*train, '--recipe=source2012', '--precision=bfloat16'],
        ),
    ]


def run(command: list[str]) -> dict[str, object]:
    """The JSON that a contender's command prints last."""
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f'{" ".join(command)} failed:\n{done.stderr[-2000:]}')
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows(path: pathlib.Path) -> list[dict[str, str]]:
    """What has been measured so far."""
    return list(csv.DictReader(path.open())) if path.exists() else []


def table(measured: list[dict[str, str]]) -> str:
    """Medians over the rounds, and ratios within each benchmark."""
    lines = [
        '| benchmark | | images/s | range | of the matrix product | peak, GiB | x stock Keras |',
        '|---|---|---|---|---|---|---|',
    ]
    keys = dict.fromkeys((row['benchmark'], row['contender']) for row in measured)
    medians, ranges = {}, {}
    for key in keys:
        own = [row for row in measured if (row['benchmark'], row['contender']) == key]
        rates = [float(row['images_per_sec']) for row in own]
        medians[key], ranges[key] = statistics.median(rates), (min(rates), max(rates))
    for kind, name in keys:
        own = [row for row in measured if (row['benchmark'], row['contender']) == (kind, name)]
        shares = [float(row['share']) for row in own if row['share']]
        peaks = [float(row['peak_gib']) for row in own if row['peak_gib']]
        rate, (low, high) = medians[kind, name], ranges[kind, name]
        share = f'{statistics.median(shares):.2f}' if shares else ''
        peak = f'{max(peaks):.2f}' if peaks else ''
        ratio = rate / medians[kind, 'stock Keras float32']
        lines.append(
            f'| {kind} | {name} | {rate:.1f} | {low:.1f} to {high:.1f} | {share} | {peak} '
            f'| {ratio:.2f} |'
        )
    return '\n'.join(lines)


def main() -> None:
    """Measures what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--torch_python', default='')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--out', default='runs/benchmark.csv')
    given = parser.parse_args()
    path = pathlib.Path(given.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {(row['round'], row['contender'], row['benchmark']) for row in rows(path)}
    for number in range(given.rounds):
        for name, kind, command in contenders(given.torch_python):
            if (str(number), name, kind) in done:
                continue
            result = run([*command, f'--runs={given.runs}'])
            peak = result.get('peak_memory_bytes')
            row = {
                'round': number,
                'contender': name,
                'benchmark': kind,
                'images_per_sec': round(result['images_per_sec'], 2),
                'share': round(result.get('share_of_matrix_product', 0), 4) or '',
                'peak_gib': round(peak / 2**30, 3) if peak else '',
                'version': result.get('version', ''),
            }
            fresh = not path.exists()
            with path.open('a', newline='') as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator='\n')
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            print(row, file=sys.stderr, flush=True)
    print(table(rows(path)))


if __name__ == '__main__':
    main()
