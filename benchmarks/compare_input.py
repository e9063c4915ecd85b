"""Compares this package's input pipeline with others: the table of docs/results/input.md.

    python benchmarks/compare_input.py --data_dir data/flowers --raw_dir data/flowers_raw \
        --torch_python PATH_TO_A_PYTHON_WITH_TORCHVISION --dali_python PATH_TO_A_PYTHON_WITH_DALI

    python benchmarks/compare_input.py --images_dir FOLDER_OF_PHOTOS ...

With `--images_dir` every contender reads photos of any size from class folders and rescales them.
The contenders take turns, each in a process of its own. A peer that is not installed is left out,
and the command that installs it is printed.
"""

import argparse
import collections
import json
import pathlib
import statistics
import sys
import tempfile

import input_peers
import measuring

ALEXNET_TF = [sys.executable, '-m', 'alexnet_tf.main', '--mode=benchmark', '--benchmark=input']
ALEXNET_TF += ['--output=json', '--recipe=paper', '--runs=1']
FINISHED = 'alexnet_tf: finished'


def measure_stages(data_dir: str) -> dict[str, float]:
    """Measures images per second of this package, by stage."""
    result = json.loads(measuring.run([*ALEXNET_TF, f'--data_dir={data_dir}']))
    return {f'alexnet_tf: {name}': row['images_per_sec'] for name, row in result['stages'].items()}


def measure_peers(args: argparse.Namespace, records: str, files: str) -> dict[str, float]:
    """Measures images per second of each peer that is installed."""
    sources = {
        'conventional': (sys.executable, records),
        'keras': (sys.executable, files),
        'torchvision': (args.torch_python, files),
        'dali': (args.dali_python, files),
    }
    rates = {}
    for name, (python, source) in sources.items():
        command = [python, 'benchmarks/input_peers.py', '--peer', name, '--source', source]
        command += ['--resize'] * bool(args.images_dir)
        result = json.loads(measuring.run(command))
        if 'skipped' in result:
            print(f'{name} is left out: {result["skipped"]}', file=sys.stderr)
        else:
            rates[name] = result['images_per_sec']
    return rates


def format_table(rates: dict[str, list[float]]) -> str:
    """Formats medians, ranges, and how many times as fast the finished batches are."""
    reference = statistics.median(rates[FINISHED])
    lines = ['| | images/s | range | finished batches are x |', '|---|---|---|---|']
    for name, measured in rates.items():
        median = statistics.median(measured)
        span = f'{min(measured):,.0f} to {max(measured):,.0f}'
        lines.append(f'| {name} | {median:,.0f} | {span} | {reference / median:.2f} |')
    return '\n'.join(lines)


def main() -> None:
    """Measures all contenders in turns and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--data_dir', default='', help='records of JPEGs')
    parser.add_argument('--raw_dir', default='', help='the same as raw records; none if empty')
    parser.add_argument('--images_dir', default='', help='class folders, instead of records')
    parser.add_argument('--torch_python', default=sys.executable, help='a Python with torchvision')
    parser.add_argument('--dali_python', default=sys.executable, help='a Python with DALI')
    parser.add_argument('--rounds', type=int, default=3, help='measurements of each contender')
    args = parser.parse_args()
    if bool(args.data_dir) == bool(args.images_dir):
        parser.error('give --data_dir or --images_dir')
    place = str(pathlib.Path(args.data_dir or args.images_dir).resolve())
    records, rates = f'{place}/train-*.tfrecord', collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as files:
        if args.data_dir:
            input_peers.write_files(records, pathlib.Path(files))
        peers = (records, files) if args.data_dir else (place, place)
        for _ in range(args.rounds):
            measured = measure_stages(place)
            if args.raw_dir:
                raw = measure_stages(str(pathlib.Path(args.raw_dir).resolve()))
                measured[f'{FINISHED}, raw records'] = raw[FINISHED]
            for name, rate in (measured | measure_peers(args, *peers)).items():
                rates[name].append(rate)
    print(format_table(rates))


if __name__ == '__main__':
    main()
