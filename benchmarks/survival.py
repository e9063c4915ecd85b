"""Runs that are killed and begun again, beside one that is not: the table of docs/training.md.

    python benchmarks/survival.py --data_dir data/quickstart --work /tmp/survival
    python benchmarks/survival.py --data_dir data/flowers --work /tmp/long --chain \
        --points step:9:KILL,step:31:KILL -- --flagfile=flags/flowers.cfg --epochs=3

Every point has a run of its own, or with --chain all of them interrupt one run. A point is
WHERE:NUMBER:SIGNAL. WHERE is `step` (before step NUMBER, from 0), `learned` (after its update),
`saving`, `writing`, `saved` (before, inside and after writing checkpoint NUMBER of a process,
from 1), `scoring` (before that batch of validation), `row` (after that row of summary.csv). The
exit status is 1 where a run came out differently.
"""

import argparse
import csv
import os
import pathlib
import shutil
import signal
import sys
import time

import numpy as np
import tensorflow as tf

from alexnet_tf import main as front_door
from alexnet_tf.commands import train
from alexnet_tf.training import checkpoint, evaluator

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
    'learned:4:KILL',
    'learned:71:TERM',
    'saving:1:KILL',
    'writing:3:KILL',
    'saved:1:KILL',
    'scoring:2:KILL',
    'row:2:KILL',
    'saved:3:KILL',
    'step:3:TERM',
    'learned:5:INT',
)
TIMES = ('images_per_sec', 'input_wait_share')


def hook(point: str) -> None:
    """Has this process signal itself at a point."""
    where, number, name = point.split(':')
    number, number_of_signal = int(number), getattr(signal, f'SIG{name}')

    def strike():
        os.kill(os.getpid(), number_of_signal)

    def at_call(owner, attribute, *, after=False):
        inner, calls = getattr(owner, attribute), iter(range(1, 1 << 62))

        def outer(*arguments, **more):
            due = next(calls) == number
            if due and not after:
                strike()
            result = inner(*arguments, **more)
            if due and after:
                strike()
            return result

        setattr(owner, attribute, outer)

    def at_step(*, after):
        inner = train.Trainer._one_step

        def outer(self, *arguments):
            due = self.state.step == number
            if due and not after:
                strike()
            result = inner(self, *arguments)
            if due and after:
                strike()
            return result

        train.Trainer._one_step = outer

    def at_scoring():
        make = evaluator.steps.evaluation_step

        class Step:
            pass

        def outer(*arguments):
            Step.call = staticmethod(make(*arguments))
            at_call(Step, 'call')
            return lambda *batch: Step.call(*batch)

        evaluator.steps.evaluation_step = outer

    {
        'step': lambda: at_step(after=False),
        'learned': lambda: at_step(after=True),
        'saving': lambda: at_call(checkpoint, 'save'),
        'writing': lambda: at_call(checkpoint._Hashed, 'write'),
        'saved': lambda: at_call(checkpoint, 'save', after=True),
        'scoring': at_scoring,
        'row': lambda: at_call(train.watch.tables, 'append_csv', after=True),
    }[where]()


def begin(flags: list[str], log: pathlib.Path, point: str = '') -> str:
    """Runs a command in a child, TensorFlow already imported; says how it ended."""
    child = os.fork()
    if child == 0:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        if point:
            hook(point)
        os._exit(front_door.main(['alexnet_tf', '--mode=train', *flags]))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f'killed by {signal.Signals(os.WTERMSIG(status)).name}'
    return f'exit {os.WEXITSTATUS(status)}'


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """In what two finished runs differ; times aside."""
    found = []
    newest = [checkpoint.load_newest(each / 'checkpoints') for each in (one, other)]
    arrays = [np.load(each / 'variables.npz') for each in newest]
    if arrays[0].files != arrays[1].files:
        found.append('names of variables')
    found += [
        name for name in arrays[0].files if arrays[0][name].tobytes() != arrays[1][name].tobytes()
    ]
    pairs = {'state.json': [checkpoint.read_state(each) for each in newest]}
    pairs['summary.csv'] = [rows(each / 'summary.csv') for each in (one, other)]
    pairs['TensorBoard'] = [events(each / 'tensorboard') for each in (one, other)]
    return found + [name for name, (a, b) in pairs.items() if a != b]


def rows(path: pathlib.Path) -> list[dict[str, str]]:
    with open(path, newline='') as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def events(directory: pathlib.Path) -> list[tuple]:
    """(split, tag, step, value) of everything that TensorBoard shows, but settings."""
    found = []
    for path in directory.rglob('events.out.tfevents.*'):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag not in TIMES and not value.tag.startswith('_hparams_'):
                    data = value.tensor.SerializeToString(deterministic=True)
                    found.append((path.parent.name, value.tag, event.step, data))
    return sorted(found)


def tried(points: list[str], flags: list[str], run_dir: pathlib.Path) -> list[str]:
    """How each interruption ended, and then the run that was begun once more."""
    shutil.rmtree(run_dir, ignore_errors=True)
    flags, log = [*flags, f'--run_dir={run_dir}'], run_dir.with_suffix('.log')
    log.unlink(missing_ok=True)
    return [begin(flags, log, point) for point in points] + [begin(flags, log)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data_dir', required=True)
    parser.add_argument('--work', required=True, type=pathlib.Path)
    parser.add_argument('--points', default=','.join(POINTS))
    parser.add_argument('--chain', action='store_true')
    parser.add_argument('flags', nargs='*', help='of training, behind --')
    given = parser.parse_args()
    flags = [*(given.flags or TINY), f'--data_dir={given.data_dir}']
    given.work.mkdir(parents=True, exist_ok=True)
    points = given.points.split(',')
    groups = [points] if given.chain else [[point] for point in points]
    start = time.monotonic()
    whole = given.work / 'whole'
    print(f'whole: {tried([], flags, whole)[-1]}, {time.monotonic() - start:.0f} s', flush=True)
    bad = 0
    for group in groups:
        start, run_dir = time.monotonic(), given.work / group[0].replace(':', '_')
        ends = tried(group, flags, run_dir)
        differing = differences(whole, run_dir) if ends[-1] == 'exit 0' else ['not finished']
        bad += bool(differing)
        said = f'differs in {", ".join(differing)}' if differing else 'equal'
        taken = time.monotonic() - start
        print(f'{" ".join(group)}: {", ".join(ends)}: {said}, {taken:.0f} s', flush=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
