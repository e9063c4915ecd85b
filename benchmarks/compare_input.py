"""This package's input pipeline beside others', in one run: the table of docs/results/input.md.

    python benchmarks/compare_input.py --data_dir data/flowers --raw_dir data/flowers_raw \
        --torch_python PATH_TO_A_PYTHON_WITH_TORCHVISION --dali_python PATH_TO_A_PYTHON_WITH_DALI

Contenders take turns, each in a process of its own. Peers that are not installed are left out,
with the command that would install them.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import compare
import input_peers

OURS = ['-m', 'alexnet_tf.main', '--mode=benchmark', '--benchmark=input', '--output=json']
OURS += ['--recipe=paper', '--runs=1']


def ours(data_dir: str) -> dict[str, float]:
    """Images a second by stage."""
    result = compare.run([sys.executable, *OURS, f'--data_dir={data_dir}'])
    return {name: row['images_per_sec'] for name, row in result['stages'].items()}


def peers(given, files: str) -> dict[str, list[str]]:
    """The command of each peer."""
    sources = {
        'conventional': (sys.executable, f'{given.data_dir}/train-*.tfrecord'),
        'keras': (sys.executable, files),
        'torchvision': (given.torch_python, files),
        'dali': (given.dali_python, files),
    }
    return {
        name: [python, 'benchmarks/input_peers.py', '--peer', name, '--source', source]
        for name, (python, source) in sources.items()
    }


def main() -> None:
    """Measures all in turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data_dir', required=True)
    parser.add_argument('--raw_dir', default='')
    parser.add_argument('--torch_python', default=sys.executable)
    parser.add_argument('--dali_python', default=sys.executable)
    parser.add_argument('--rounds', type=int, default=3)
    given = parser.parse_args()
    given.data_dir = str(pathlib.Path(given.data_dir).resolve())
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as files:
        input_peers.write_files(f'{given.data_dir}/train-*.tfrecord', pathlib.Path(files))
        for _ in range(given.rounds):
            for name, rate in ours(given.data_dir).items():
                found.setdefault(f'alexnet_tf: {name}', []).append(rate)
            if given.raw_dir:
                raw = ours(str(pathlib.Path(given.raw_dir).resolve()))
                found.setdefault('alexnet_tf: finished, raw records', []).append(raw['finished'])
            for name, command in peers(given, files).items():
                result = compare.run(command)
                if 'skipped' in result:
                    print(f'{name} is left out: {result["skipped"]}', file=sys.stderr)
                else:
                    found.setdefault(name, []).append(result['images_per_sec'])
    print(table(found))


def table(found: dict[str, list[float]]) -> str:
    """Medians, ranges, and how many times as fast the finished batches are."""
    reference = statistics.median(found['alexnet_tf: finished'])
    lines = ['| | images/s | range | finished batches are x |', '|---|---|---|---|']
    for name, rates in found.items():
        median = statistics.median(rates)
        span = f'{min(rates):,.0f} to {max(rates):,.0f}'
        lines.append(f'| {name} | {median:,.0f} | {span} | {reference / median:.2f} |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
