"""Trains on several hosts of one machine: the tables of docs/results/scaling.md. Needs root.

    python benchmarks/clusters.py failures --data_dir data/quickstart --work /tmp/clusters
    python benchmarks/clusters.py equal --data_dir data/quickstart --work /tmp/clusters -- --lanes=4
    python benchmarks/clusters.py speed --data_dir data/flowers --work /tmp/clusters \
        -- --recipe=source2012 --batch_size=8 --max_steps=12 --epochs=6

Hosts are network namespaces, joined by virtual Ethernet. `failures` ends, stops and cuts off one of
three workers at six moments, and runs the same commands again. `equal` compares 1, 2 and 4 workers,
and 4 that resume as 2, with one process. `speed` measures steps and bytes at three speeds of the
network. What follows -- are flags of all workers. Each measurement is a row of a file in --work; if
a script is stopped, the same command measures the missing rows.
"""

import dataclasses
import importlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import measuring
import namespaces
import numpy as np

from alexnet_tf import main as alexnet_main
from alexnet_tf.commands.train import monitor, trainer
from alexnet_tf.reports import tables
from alexnet_tf.training import checkpoint, evaluator

PORT, TIMEOUT_SECS, LIMIT_SECS = 2222, 20, 120
TINY = ('--recipe=source2012', '--width=0.1', '--crop_size=67', '--drop_epochs=2')
TINY += ('--batch_size=12', '--log_every_steps=1', '--eval_batch_size=10', '--epochs=3')
MOMENTS = {  # the function that a worker is about to call, and which call it is
    'waiting': None,
    'first step': (trainer.Trainer, 'train_one_step', 1),
    'in an epoch': (trainer.Trainer, 'train_one_step', 4),
    'validating': (evaluator.Evaluator, 'evaluate', 2),
    'saving': (checkpoint._HashingFile, 'write', 5),
    'at the end': (monitor.Monitor, 'log_end', 1),
}
FAILURES = ('kill', 'stop', 'cut for 5 s', 'cut')


@dataclasses.dataclass
class Moment:
    """A moment in a worker's life, at which it pauses until `resume`."""

    reached: tuple[int, int] = dataclasses.field(default_factory=os.pipe)
    passed: tuple[int, int] = dataclasses.field(default_factory=os.pipe)

    def install(self, owner: Any, name: str, number: int) -> None:
        """Makes this process pause before call `number` of a function."""
        calls = itertools.count(1)
        wrap(owner, name, lambda: next(calls) == number and self._pause())

    def _pause(self) -> None:
        os.write(self.reached[1], b'.')
        os.read(self.passed[0], 1)

    def wait(self) -> None:
        """Waits until the worker pauses."""
        os.read(self.reached[0], 1)

    def resume(self) -> None:
        """Lets the worker continue."""
        os.write(self.passed[1], b'.')


def wrap(owner: Any, name: str, before: Callable[[], object]) -> None:
    """Replaces a method by one that calls `before` first."""
    function = getattr(owner, name)

    def call(*args, **kwargs):
        before()
        return function(*args, **kwargs)

    setattr(owner, name, call)


def redirect_output(log: pathlib.Path) -> None:
    """Redirects the output of this process to a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)


@dataclasses.dataclass
class Workers:
    """The processes of a cluster, one on each of the first hosts of a network."""

    network: namespaces.Network
    number: int
    flags: Sequence[str]
    logs: pathlib.Path
    processes: dict[int, int] = dataclasses.field(default_factory=dict)

    def start(self, worker: int, prepare: Callable[[], object] = lambda: None) -> None:
        """Starts a worker in a forked child, which has TensorFlow already."""
        child = os.fork()
        if child:
            self.processes[worker] = child
            return
        namespaces.enter(worker)
        redirect_output(self.logs / f'worker{worker}.log')
        addresses = [f'{address}:{PORT}' for address in self.network.addresses[: self.number]]
        task = {'type': 'worker', 'index': worker}
        os.environ['TF_CONFIG'] = json.dumps({'cluster': {'worker': addresses}, 'task': task})
        prepare()
        flags = [*self.flags, '--mode=train', '--strategy=multi_worker']
        os._exit(alexnet_main.main(['alexnet_tf', *flags]))

    def start_all(self, prepare: Mapping[int, Callable[[], object]] | None = None) -> None:
        """Starts all workers that do not run yet."""
        for worker in set(range(self.number)) - set(self.processes):
            self.start(worker, (prepare or {}).get(worker, lambda: None))

    def wait(self) -> dict[int, tuple[int | str, float]]:
        """Waits for all workers; returns (exit status, seconds) of each.

        The last worker is continued if it is stopped. Workers that hang are killed.
        """
        start, ends = time.monotonic(), {}
        while len(ends) < len(self.processes) and time.monotonic() - start < LIMIT_SECS:
            left = set(self.processes) - set(ends)
            if len(left) == 1:
                os.kill(self.processes[min(left)], signal.SIGCONT)
            for worker in left:
                process, status = os.waitpid(self.processes[worker], os.WNOHANG)
                if process:
                    ends[worker] = (os.waitstatus_to_exitcode(status), time.monotonic() - start)
            time.sleep(0.05)
        for worker in set(self.processes) - set(ends):
            os.kill(self.processes[worker], signal.SIGKILL)
            os.waitpid(self.processes[worker], 0)
            ends[worker] = ('none', LIMIT_SECS)
        return ends

    def read_last_line(self, worker: int) -> str:
        """Returns the last line that a worker printed itself."""
        lines = (self.logs / f'worker{worker}.log').read_text().splitlines()
        own = [line for line in lines if line.startswith(('[', 'alexnet_tf:', 'train:'))]
        return own[-1] if own else ''


def train(network: namespaces.Network, number: int, flags: Sequence[str], logs: pathlib.Path):
    """Trains to the end with `number` workers."""
    workers = Workers(network, number, flags, logs)
    workers.start_all()
    ends = workers.wait()
    if {status for status, _ in ends.values()} != {0}:
        raise SystemExit(f'{number} workers: {ends}; see {logs}')


def train_alone(flags: Sequence[str], logs: pathlib.Path) -> None:
    """Trains in one process."""
    child = os.fork()
    if child == 0:
        redirect_output(logs / 'alone.log')
        os._exit(alexnet_main.main(['alexnet_tf', *flags, '--mode=train']))
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f'one process failed; see {logs}')


def measure_difference(run_dir: pathlib.Path, other: pathlib.Path) -> float:
    """Measures the largest difference between weights of the newest checkpoints of two runs."""
    paths = [checkpoint.find_newest(path / 'checkpoints') for path in (run_dir, other)]
    one, two = (np.load(path / 'variables.npz') for path in paths)
    differences = [np.max(np.abs(one[name] - two[name]), initial=0) for name in one.files]
    return float(np.max(differences))  # NaN, too


def fail(case: tuple[str, str], flags: Sequence[str], work: pathlib.Path) -> list[dict[str, Any]]:
    """Lets one of three workers fail at a moment; then runs the same commands again."""
    name, failure = case
    victim = 0 if name == 'saving' else 1  # the chief saves
    run_dir = work / 'failing'
    shutil.rmtree(run_dir, ignore_errors=True)
    flags = [*flags, f'--run_dir={run_dir}', f'--worker_timeout_secs={TIMEOUT_SECS}']
    moment = Moment()
    with namespaces.create_network(3) as network:
        workers = Workers(network, 3, flags, work)
        if MOMENTS[name]:
            workers.start_all({victim: lambda: moment.install(*MOMENTS[name])})
            moment.wait()
        else:
            workers.start(0)
            workers.start(1)
            while 'waits for' not in workers.read_last_line(0):
                time.sleep(0.1)
        interrupt(workers, victim, failure)
        moment.resume()
        if failure == 'cut for 5 s':
            time.sleep(5)
            network.join(victim)
        workers.start_all()
        ends = workers.wait()
        last_lines = {worker: workers.read_last_line(worker) for worker in ends}
        network.join(victim)
        is_done = {status for status, _ in ends.values()} == {0}
        if not is_done:
            train(network, 3, flags, work)
    return [
        {
            'moment': name,
            'failure': failure,
            'worker': worker,
            'role': 'failed' if worker == victim else 'other',
            'status': status,
            'seconds': round(seconds, 1),
            'resumed': 'not needed' if is_done else 'to the end',
            'difference': f'{measure_difference(run_dir, work / "whole"):.1e}',
            'said': last_lines[worker],
        }
        for worker, (status, seconds) in sorted(ends.items())
    ]


def interrupt(workers: Workers, victim: int, failure: str) -> None:
    """Kills, stops or cuts off a worker."""
    if failure.startswith('cut'):
        workers.network.cut(victim)
    else:
        number = signal.SIGKILL if failure == 'kill' else signal.SIGSTOP
        os.kill(workers.processes[victim], number)


def measure_failures(flags: Sequence[str], work: pathlib.Path, table: pathlib.Path) -> None:
    """Measures all failures at all moments."""
    flags = [*TINY, *flags]
    train_alone([*flags, f'--run_dir={work / "whole"}'], work)
    done = {(row['moment'], row['failure']) for row in tables.read_csv(table)}
    for case in itertools.product(MOMENTS, FAILURES):
        if case not in done:
            for row in fail(case, flags, work):
                append_row(table, row)


def measure_equality(flags: Sequence[str], work: pathlib.Path, table: pathlib.Path) -> None:
    """Compares several workers with one process."""
    flags = [*TINY, *flags]
    shutil.rmtree(work / 'whole', ignore_errors=True)
    train_alone([*flags, f'--run_dir={work / "whole"}'], work)
    done = {(row['workers'], row['flags']) for row in tables.read_csv(table)}
    for numbers in ((1,), (2,), (4,), (4, 2)):
        if (' then '.join(map(str, numbers)), ' '.join(flags)) in done:
            continue
        run_dir = work / 'equal'
        shutil.rmtree(run_dir, ignore_errors=True)
        with namespaces.create_network(4) as network:
            for number, end in zip(numbers, ('1', '3') if numbers[1:] else ('3',), strict=True):
                train(network, number, [*flags, f'--run_dir={run_dir}', f'--epochs={end}'], work)
            sent = [network.count_bytes(host) for host in range(4)]
        row = {
            'workers': ' then '.join(map(str, numbers)),
            'flags': ' '.join(flags),
            'difference': f'{measure_difference(run_dir, work / "whole"):.1e}',
            'mb_sent': ' '.join(f'{value / 1e6:.1f}' for value in sent[: numbers[0]]),
            'mb_read': ' '.join(map(find_mb_read, sorted(work.glob('worker*.log'))[: numbers[-1]])),
        }
        append_row(table, row)


def find_mb_read(log: pathlib.Path) -> str:
    """Finds the megabytes of records that a worker read, in its log."""
    (number,) = re.findall(r'read ([\d,]+) bytes', log.read_text())
    return f'{int(number.replace(",", "")) / 1e6:.2f}'


def measure_speed(flags: Sequence[str], work: pathlib.Path, table: pathlib.Path) -> None:
    """Measures seconds and bytes of a step."""
    done = {(row['workers'], row['rate'], row['flags']) for row in tables.read_csv(table)}
    for rate, number in itertools.product(('', '10gbit', '1gbit'), (1, 2, 4)):
        if (str(number), rate, ' '.join(flags)) in done or (rate and number == 1):
            continue
        run_dir, times = work / 'speed', work / 'times'
        shutil.rmtree(run_dir, ignore_errors=True)
        times.unlink(missing_ok=True)
        with namespaces.create_network(number, rate) as network:
            workers = Workers(network, number, [*flags, f'--run_dir={run_dir}'], work)
            workers.start_all({0: lambda: log_steps(times)})  # noqa: B023
            ends = workers.wait()
        rows = np.loadtxt(times)[1:]  # the first step is traced
        row = {'workers': number, 'rate': rate, 'flags': ' '.join(flags), 'steps': len(rows) - 1}
        row['step_secs'] = round(min(np.diff(rows[:, 0])), 3)  # undisturbed by other processes
        row['mb_a_step'] = round(float(np.mean(np.diff(rows[:, 1]))) / 1e6, 2)
        append_row(table, row | {'statuses': ' '.join(str(ends[key][0]) for key in sorted(ends))})


def log_steps(path: pathlib.Path) -> None:
    """Makes this process log when each step begins, and how much it has sent until then."""

    def log() -> None:
        sent = namespaces.parse_sent(pathlib.Path(namespaces.COUNTERS).read_text())
        with path.open('a') as file:
            file.write(f'{time.monotonic()} {sent}\n')

    wrap(trainer.Trainer, 'train_one_step', log)


def append_row(path: pathlib.Path, row: Mapping[str, Any]) -> None:
    """Appends a measurement, and prints it."""
    tables.append_csv(path, row)
    print(', '.join(map(str, row.values())), flush=True)


def main() -> None:
    """Runs what is asked for."""
    parser = measuring.create_parser(__doc__)
    measure = {
        'failures': measure_failures,
        'equal': measure_equality,
        'speed': measure_speed,
    }
    parser.add_argument('what', choices=measure, help='what to measure')
    parser.add_argument('--data_dir', required=True, help='prepared records')
    parser.add_argument('--work', required=True, type=pathlib.Path, help='folder of the runs')
    own = list(itertools.takewhile(lambda argument: argument != '--', sys.argv[1:]))
    args = parser.parse_args(own)
    work = args.work / args.what
    work.mkdir(parents=True, exist_ok=True)
    importlib.import_module('alexnet_tf.commands.train')  # once, for all workers
    flags = [f'--data_dir={args.data_dir}', *sys.argv[len(own) + 2 :]]
    measure[args.what](flags, work, args.work / f'{args.what}.csv')


if __name__ == '__main__':
    sys.exit(main())
