"""Compares runs that are killed with one that is not: docs/explanation/reproducibility.md.

    python benchmarks/survival.py --data_dir data/quickstart --work /tmp/survival
    python benchmarks/survival.py --data_dir data/flowers --work /tmp/long --chain \
        --points step:9:KILL,step:31:KILL -- --flagfile=flags/flowers.cfg --epochs=3

Every point has a run of its own; with --chain, all of them interrupt one run. A point is
WHERE:NUMBER:SIGNAL. WHERE is `step` (before step NUMBER, from 0), `trained` (after its update),
`saving`, `saved` (before and after checkpoint NUMBER of a process, from 1), `writing` (before write
NUMBER to its checkpoint files, from 1), `validating` (before that batch of validation), `row`
(after that row of summary.csv). The exit status is 1 if a run differs.
"""

import argparse
import csv
import json
import os
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from alexnet_tf import main as alexnet_main
from alexnet_tf.commands.train import trainer
from alexnet_tf.reports import tables
from alexnet_tf.training import checkpoint, steps

TINY = (
    '--recipe=source2012',
    '--width=0.1',
    '--crop_size=67',
    '--batch_size=8',
    '--epochs=3',
    '--drop_epochs=2',
    '--log_every_steps=2',
    '--eval_batch_size=10',
)
POINTS = (
    'step:0:KILL',
    'step:1:KILL',
    'trained:4:KILL',
    'trained:71:TERM',
    'saving:1:KILL',
    'writing:3:KILL',
    'saved:1:KILL',
    'validating:2:KILL',
    'row:2:KILL',
    'saved:3:KILL',
    'step:3:TERM',
    'trained:5:INT',
)
TIMES = ('images_per_sec', 'input_wait_share')  # what may differ


def install_hook(point: str) -> None:
    """Makes this process signal itself at a point."""
    where, number, name = point.split(':')
    number, signal_number = int(number), getattr(signal, f'SIG{name}')

    def wrap(owner: Any, name: str, *, after: bool = False) -> None:
        calls = iter(range(1, 1 << 62))
        signal_at(lambda *_: next(calls) == number, signal_number, owner, name, after=after)

    def wrap_step(*, after: bool) -> None:
        signal_at(
            lambda _, state, *__: state.step == number,
            signal_number,
            trainer.Trainer,
            'train_one_step',
            after=after,
        )

    def wrap_evaluation() -> None:
        create = steps.create_evaluation_step

        def create_and_wrap(*args):
            evaluation = type('Evaluation', (), {'step': staticmethod(create(*args))})
            wrap(evaluation, 'step')
            return evaluation.step

        steps.create_evaluation_step = create_and_wrap

    {
        'step': lambda: wrap_step(after=False),
        'trained': lambda: wrap_step(after=True),
        'saving': lambda: wrap(checkpoint, 'save'),
        'writing': lambda: wrap(checkpoint._HashingFile, 'write'),
        'saved': lambda: wrap(checkpoint, 'save', after=True),
        'validating': wrap_evaluation,
        'row': lambda: wrap(tables, 'append_csv', after=True),
    }[where]()


def signal_at(
    is_due: Callable[..., bool], signal_number: int, owner: Any, name: str, *, after: bool
) -> None:
    """Replaces a function by one that signals this process before or after the call that is due."""
    function = getattr(owner, name)

    def signal_and_call(*args, **kwargs):
        due = is_due(*args)
        if due and not after:
            os.kill(os.getpid(), signal_number)
        result = function(*args, **kwargs)
        if due and after:
            os.kill(os.getpid(), signal_number)
        return result

    setattr(owner, name, signal_and_call)


def train(flags: list[str], log: pathlib.Path, point: str = '') -> str:
    """Trains in a forked child, which has TensorFlow already; returns how the child ended."""
    child = os.fork()
    if child == 0:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        if point:
            install_hook(point)
        os._exit(alexnet_main.main(['alexnet_tf', *flags, '--mode=train']))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f'killed by {signal.Signals(os.WTERMSIG(status)).name}'
    return f'exit {os.WEXITSTATUS(status)}'


def find_differences(run_dir: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Lists what differs between two finished runs, except times."""
    directories = (run_dir, other)
    newest = [checkpoint.find_newest(path / 'checkpoints') for path in directories]
    arrays, expected = (np.load(path / 'variables.npz') for path in newest)
    differences = [] if arrays.files == expected.files else ['names of variables']
    common = [name for name in arrays.files if name in expected.files]
    differences += [name for name in common if arrays[name].tobytes() != expected[name].tobytes()]
    pairs = {
        'state.json': [json.dumps(checkpoint.read_state(path)) for path in newest],  # NaN is equal
        'summary.csv': [read_rows(path / 'summary.csv') for path in directories],
        'TensorBoard': [read_events(path / 'tensorboard') for path in directories],
    }
    return differences + [name for name, (one, two) in pairs.items() if one != two]


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """Reads the rows of a CSV file, without times."""
    with open(path, newline='') as file:
        return [
            {name: value for name, value in row.items() if name not in TIMES}
            for row in csv.DictReader(file)
        ]


def read_events(directory: pathlib.Path) -> list[tuple]:
    """Reads (split, tag, step, value) of all that TensorBoard shows, but times and settings."""
    events = []
    for path in directory.rglob('events.out.tfevents.*'):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag not in TIMES and not value.tag.startswith('_hparams_'):
                    data = value.tensor.SerializeToString(deterministic=True)
                    events.append((path.parent.name, value.tag, event.step, data))
    return sorted(events)


def train_interrupted(points: list[str], flags: list[str], run_dir: pathlib.Path) -> list[str]:
    """Trains with an interruption at each point, then to the end; returns how each ended."""
    shutil.rmtree(run_dir, ignore_errors=True)
    flags, log = [*flags, f'--run_dir={run_dir}'], run_dir.with_suffix('.log')
    log.unlink(missing_ok=True)
    return [train(flags, log, point) for point in points] + [train(flags, log)]


def main() -> int:
    """Trains without and with interruptions, and prints a row for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data_dir', required=True, help='prepared records')
    parser.add_argument('--work', required=True, type=pathlib.Path, help='folder of the runs')
    parser.add_argument('--points', default=','.join(POINTS), help='where to interrupt')
    parser.add_argument('--chain', action='store_true', help='interrupt one run at all points')
    parser.add_argument('flags', nargs='*', help='flags of --mode=train, after --')
    args = parser.parse_args()
    flags = [*(args.flags or TINY), f'--data_dir={args.data_dir}']
    args.work.mkdir(parents=True, exist_ok=True)
    points = args.points.split(',')
    groups = [points] if args.chain else [[point] for point in points]
    start, whole = time.monotonic(), args.work / 'whole'
    end = train_interrupted([], flags, whole)[-1]
    print(f'whole: {end}, {time.monotonic() - start:.0f} s', flush=True)
    has_failed = False
    for group in groups:
        start, run_dir = time.monotonic(), args.work / group[0].replace(':', '_')
        ends = train_interrupted(group, flags, run_dir)
        differences = find_differences(whole, run_dir) if ends[-1] == 'exit 0' else ['not finished']
        if 'exit 0' in ends[:-1]:
            differences.append('a point that was not reached')
        has_failed |= bool(differences)
        result = f'differs in {", ".join(differences)}' if differences else 'equal'
        seconds = time.monotonic() - start
        print(f'{" ".join(group)}: {", ".join(ends)}: {result}, {seconds:.0f} s', flush=True)
    return int(has_failed)


if __name__ == '__main__':
    sys.exit(main())
