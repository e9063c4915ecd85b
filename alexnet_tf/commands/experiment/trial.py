"""One run of an experiment: trained and scored in processes of their own, and its row."""

import contextlib
import datetime
import hashlib
import json
import pathlib
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator

from alexnet_tf.commands.evaluate import scoring
from alexnet_tf.commands.experiment import grid
from alexnet_tf.config import schema
from alexnet_tf.models import outputs
from alexnet_tf.reports import experiment_tables, progress, provenance, tables
from alexnet_tf.runs import creation, training_data
from alexnet_tf.runs import run as runs
from alexnet_tf.training import signals
from input_pipeline.records import manifests

_LEVEL = 0.25  # of the training error, as in the paper's figure 1
_PATIENCE_SECS = 120  # for a run that was asked to stop to save


class RunFailed(Exception):
    """One of the runs ended with an error; its exit code is passed on."""

    def __init__(self, name: str, log: pathlib.Path, code: int):
        if code < 0:
            number = signal.Signals(-code)
            said = f'was killed by {number.name}'
            if number == signal.SIGKILL:
                said += ', as the system does when memory runs out'
        else:
            lines = log.read_text(errors='replace').strip().splitlines()
            said = f'failed: {lines[-1] if lines else "it said nothing"}'
        super().__init__(f'{name} {said} ({log}). The same command goes on with it.')
        self.exit_code = code if code > 0 else 128 - code


def check(trial: grid.Trial, manifest: manifests.Manifest) -> None:
    """Refuses what a run would stop at, or a directory that holds another one.

    Raises:
        UsageError, DataError: As said.
    """
    config = trial.config
    numbers = runs.resolve_recipe(config)
    training_data.check(config, numbers, manifest, 1)
    scoring.check_split(manifest, config.evaluation.split, '--split')
    directory = pathlib.Path(config.run_dir)
    if (directory / runs.DATA).exists():
        creation.check_same(config, manifest)
    done = _epochs(trial)
    enough = [
        float(each['train_top1_error']) <= config.training.stop_train_error for each in done[:-1]
    ]
    if len(done) > numbers.epochs or any(enough):
        raise schema.UsageError(
            f'{directory} has {len(done)} epochs, more than --epochs={numbers.epochs} and '
            f'--stop_train_error={config.training.stop_train_error:g} ask for. Name another '
            '--experiment_dir.'
        )


def settings(trial: grid.Trial) -> str:
    """What decides a run's results, as a hash."""
    asked = trial.config
    values = creation.owned(asked) | {
        'epochs': runs.resolve_recipe(asked).epochs,
        'stop_train_error': asked.training.stop_train_error,
        'on_nonfinite': asked.training.on_nonfinite,
        'on_bad_record': asked.input.on_bad_record,
        'checkpoint': asked.evaluation.checkpoint,
        'split': asked.evaluation.split,
        'views': scoring.views_of(asked),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def made(trial: grid.Trial, manifest: manifests.Manifest) -> dict[str, object]:
    """Trains and scores one run; its row of `runs.csv`.

    Raises:
        RunFailed: For another reason than a loss that is no number.
    """
    status = experiment_tables.DONE
    for mode in ('train', 'evaluate'):
        code = _called(trial, mode)
        if code == signals.NotFinite.exit_code:
            status = experiment_tables.DIVERGED
            break
        if code:
            raise RunFailed(trial.name, log(trial), code)
    done = status == experiment_tables.DONE
    epochs = _epochs(trial)
    last = epochs[-1] if epochs and done else {}
    asked = trial.config.training.stop_train_error
    level = asked if asked > 0 else _LEVEL
    reached = experiment_tables.epochs_to(epochs, level) if done else None
    speeds = experiment_tables.values(epochs, 'images_per_sec')
    each = manifest.examples(manifests.TRAIN)
    made_with = provenance.found()
    seconds = len(epochs) * statistics.mean([each / speed for speed in speeds]) if speeds else 0
    return {
        'run': trial.name,
        'group': trial.group,
        'seed': trial.config.seed,
        'status': status,
        'epochs': len(epochs),
        'train_loss': last.get('train_loss', ''),
        'train_top1_error': last.get('train_top1_error', ''),
        'level': level,
        'epochs_to_level': '' if reached is None else f'{reached:.2f}',
        **(_scores(trial, manifest) if done else _scores(trial, None)),
        'examples': manifest.examples(trial.config.evaluation.split),
        'images_per_sec': f'{statistics.median(speeds):.1f}' if speeds else '',
        'train_secs': f'{seconds:.0f}',
        'settings': settings(trial),
        'manifest_sha256': manifest.sha256,
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        **{name: made_with[name] for name in ('commit', 'tensorflow', 'keras')},
    }


def log(trial: grid.Trial) -> pathlib.Path:
    """The file that has what a run said."""
    directory = pathlib.Path(trial.config.run_dir)
    return directory.with_name(f'{directory.name}.log')


def said(row) -> str:
    """A row in a line."""
    if row['status'] != experiment_tables.DONE:
        return row['status']
    errors = [
        f'{tables.percent(float(row[name]))} of {tables.views(views)}'
        for views in map(str, outputs.VIEWS.values())
        if row[name := f'top1_error_{views}']
    ]
    took = progress.duration(float(row['train_secs']))
    return f'{row["epochs"]} epochs in {took}, top-1 error {", ".join(errors)}'


def _epochs(trial: grid.Trial) -> list[dict[str, str]]:
    return tables.read_csv(pathlib.Path(trial.config.run_dir) / 'summary.csv')


def _scores(trial: grid.Trial, manifest: manifests.Manifest | None) -> dict[str, str]:
    """Errors and losses by views, as evaluate has just found them; '' of what was not asked for."""
    found = {}
    for row in scoring.newest_results(pathlib.Path(trial.config.run_dir)) if manifest else ():
        same = (row['manifest_sha256'], row['split']) == (
            manifest.sha256,
            trial.config.evaluation.split,
        )
        if same and not row['weights'] and int(row['views']) in scoring.views_of(trial.config):
            found[row['views']] = row
    return {
        f'{name}_{views}': found[views][name] if views in found else ''
        for views in map(str, outputs.VIEWS.values())
        for name in ('top1_error', 'loss')
    }


def _called(trial: grid.Trial, mode: str) -> int:
    """Runs one mode in a process of its own; its exit status."""
    command = [sys.executable, '-m', 'alexnet_tf.main', *schema.flags(trial.config, mode)]
    with open(log(trial), 'ab') as file, stopped_with_us(command, file) as process:
        return process.wait()


@contextlib.contextmanager
def stopped_with_us(command, file) -> Iterator[subprocess.Popen]:
    """A process that is asked to stop, once, when this one is, and waited for."""
    # A session of its own: Ctrl-C would reach it twice, and the second time it does not save.
    with _hangup_raised():
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            yield process
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECS)
            raise
        finally:
            process.kill()


@contextlib.contextmanager
def _hangup_raised() -> Iterator[None]:
    """A terminal that goes away is as a Ctrl-C, unless it was to be ignored (nohup)."""

    def raised(*_):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGHUP)
    if before == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, raised)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
