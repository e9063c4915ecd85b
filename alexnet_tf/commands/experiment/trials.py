"""Trains and evaluates the runs of an experiment, each once, and describes them in rows."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from alexnet_tf.commands.experiment import grid, processes
from alexnet_tf.config import fields
from alexnet_tf.models import outputs
from alexnet_tf.reports import experiment_tables, progress, provenance, tables
from alexnet_tf.runs import build, creation, results, run_directory, selection, training_data
from alexnet_tf.training import checkpoint, health
from alexnet_tf.training import state as state_lib
from input_pipeline import files
from input_pipeline.records import manifests

RUNS = 'runs.csv'
# Columns that are read.
_OF_RUNS = (
    *('run', 'group', 'seed', 'status', 'epochs', 'train_top1_error', 'level'),
    *('top1_error_1', 'images_per_sec', 'train_secs', 'settings', 'manifest_sha256'),
)


def find_row(
    directory: pathlib.Path, trial: grid.Trial, manifest: manifests.Manifest
) -> dict[str, str] | None:
    """Returns the newest row of a trial with the same settings and records, if there is one."""
    key = {'run': trial.name, 'settings': _hash_settings(trial), 'manifest_sha256': manifest.sha256}
    rows = tables.read_csv(directory / RUNS, _OF_RUNS)
    return next((row for row in reversed(rows) if key.items() <= row.items()), None)


def check_trial(trial: grid.Trial, manifest: manifests.Manifest) -> None:
    """Refuses a trial that cannot be trained, before the first trial starts.

    Raises:
        UsageError: Its settings do not fit the records, or its directory has more epochs.
        DataError: Its directory holds another run.
    """
    config = trial.config
    recipe = build.resolve_recipe(config)
    training_data.check_settings(config, recipe, manifest, 1)
    selection.check_split(manifest, config.evaluation.split, '--split')
    directory = pathlib.Path(config.run_dir)
    if run_directory.holds_run(directory):
        creation.check_same_run(config, manifest)
    epochs, stop_error = read_epochs(trial), config.training.stop_train_error
    state = read_state(trial)
    # Epochs after which training went on.
    rows = epochs if state.examples else epochs[:-1]
    is_past_stop = any(float(row['train_top1_error']) <= stop_error for row in rows)
    is_past_stop |= _is_past_worse(state, config.training.stop_after_worse_epochs)
    step, done = state.planned_step, state.epoch + (state.examples > 0)
    is_past_stop |= 0 < recipe.max_steps < step
    if max(done, count_epochs(epochs)) > recipe.epochs or is_past_stop:
        raise fields.UsageError(
            f'{directory} is trained to epoch {done}, step {step}, further than --epochs='
            f'{recipe.epochs}, --max_steps={recipe.max_steps}, --stop_train_error={stop_error:g} '
            f'and --stop_after_worse_epochs={config.training.stop_after_worse_epochs} ask for. '
            'Choose another --experiment_dir.'
        )


def _is_past_worse(state: state_lib.TrainingState, limit: int) -> bool:
    """Returns whether a run went on after `limit` validations without gain; 0: no limit."""
    validated = len(state.validation_errors) + (state.examples > 0)
    earlier = (
        dataclasses.replace(state, validation_errors=state.validation_errors[:number])
        for number in range(1, validated)
    )
    return limit > 0 and any(past.worse_validations >= limit for past in earlier)


def _hash_settings(trial: grid.Trial) -> str:
    """Hashes the settings that determine a trial's results, as 16 hexadecimal digits."""
    config, recipe = trial.config, build.resolve_recipe(trial.config)
    values = creation.list_fixed_settings(config) | {
        'epochs': recipe.epochs,
        'max_steps': recipe.max_steps,
        'stop_train_error': config.training.stop_train_error,
        'stop_after_worse_epochs': config.training.stop_after_worse_epochs,
        'on_nonfinite': config.training.on_nonfinite,
        'on_bad_record': config.input.on_bad_record,
        'checkpoint': config.evaluation.checkpoint,
        'split': config.evaluation.split,
        'views': selection.select_views(config),
    }
    if (recipe.batch_norm or recipe.cutmix) and config.training.accumulate_steps > 1:  # by parts
        values['accumulate_steps'] = config.training.accumulate_steps
    every = config.training.validate_every_epochs
    if every > 1 and (values['checkpoint'] == 'best' or values['stop_after_worse_epochs']):
        values['validate_every_epochs'] = every
        if config.training.keep_every_epochs:  # which are validated, too
            values['keep_every_epochs'] = config.training.keep_every_epochs
    if os.path.isfile(weights := config.training.class_weights):
        values['class_weights'] = files.compute_sha256(weights)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def run_trial(
    trial: grid.Trial,
    manifest: manifests.Manifest,
    modes: Sequence[str] = ('train', 'evaluate'),
) -> dict[str, object]:
    """Trains and evaluates a trial, or resumes it.

    Args:
        trial: The trial.
        manifest: Of the records.
        modes: The modes to run, one process each.

    Returns:
        Its row of `runs.csv`; of a trial that diverged, without scores.

    Raises:
        TrialFailedError: It failed for another reason than a non-finite loss.
    """
    log, status = get_log_path(trial), experiment_tables.DONE
    for mode in modes:
        code = processes.run_mode(trial.config, mode, log)
        if code == health.NonFiniteError.exit_code:
            status = experiment_tables.DIVERGED
            break
        if code:
            raise processes.TrialFailedError(trial.name, log, code)
    return build_row(trial, manifest, status)


def get_log_path(trial: grid.Trial) -> pathlib.Path:
    """Returns the file with the output of a trial's processes."""
    directory = pathlib.Path(trial.config.run_dir)
    return directory.with_name(f'{directory.name}.log')


def read_epochs(trial: grid.Trial) -> list[dict[str, str]]:
    """Reads the rows of a trial's `summary.csv`; none if it was not trained."""
    return run_directory.read_epochs(pathlib.Path(trial.config.run_dir))


def read_validation(trial: grid.Trial, row: Mapping[str, object]) -> dict[str, str]:
    """Reads the single-crop validation of the checkpoint that a run is evaluated with."""
    if row['status'] != experiment_tables.DONE:
        return {}
    epochs = read_epochs(trial)
    chosen = epochs[-1]
    if find_checkpoint(trial.config.run_dir) == 'best':
        chosen = min(epochs, key=lambda epoch: float(epoch['validation_top1_error']))
        initial = read_state(trial).initial_error
        if initial is not None and initial < float(chosen['validation_top1_error']):
            return {'top1_error_1': str(initial), 'loss_1': ''}  # before the first step
    return {f'{name}_1': chosen[f'validation_{name}'] for name in ('top1_error', 'loss')}


def find_checkpoint(run_dir: str) -> str:
    """Finds which checkpoint of a run to use: 'best' after fine-tuning, else 'newest'."""
    return run_directory.read_config(pathlib.Path(run_dir)).evaluation.checkpoint


def read_state(trial: grid.Trial) -> state_lib.TrainingState:
    """Reads the state of a trial's newest checkpoint; the initial state if there is none."""
    checkpoints = pathlib.Path(trial.config.run_dir) / run_directory.CHECKPOINTS
    return state_lib.TrainingState(**(checkpoint.read_newest_state(checkpoints) or {}))


def count_epochs(epochs: experiment_tables.Rows) -> int:
    """Returns the number of the last epoch in `summary.csv`; 0 if there is none."""
    return int(epochs[-1]['epoch']) if epochs else 0


def summarize_row(row: Mapping[str, str]) -> str:
    """Formats a row of `runs.csv` as one line."""
    if row['status'] != experiment_tables.DONE:
        return row['status']
    errors = [
        f'{tables.format_percent(float(row[name]))} of {tables.format_views(views)}'
        for views in map(str, outputs.VIEWS.values())
        if row.get(name := f'top1_error_{views}')
    ]
    duration = progress.format_duration(float(row['train_secs']))
    return f'{row["epochs"]} epochs in {duration}, top-1 error {", ".join(errors)}'


def build_row(trial: grid.Trial, manifest: manifests.Manifest, status: str) -> dict[str, object]:
    """Builds the row of a trial in `runs.csv`; without scores if its status is not DONE."""
    is_done, epochs = status == experiment_tables.DONE, read_epochs(trial)
    last = epochs[-1] if epochs and is_done else {}
    stop_error = trial.config.training.stop_train_error
    level = stop_error if stop_error > 0 else experiment_tables.LEVEL
    epochs_to_level = experiment_tables.count_epochs_to(epochs, level) if is_done else None
    versions = provenance.collect()
    return {
        'run': trial.name,
        'group': trial.group,
        'seed': trial.config.seed,
        'status': status,
        'epochs': count_epochs(epochs),
        'train_loss': last.get('train_loss', ''),
        'train_top1_error': last.get('train_top1_error', ''),
        'level': level,
        'epochs_to_level': '' if epochs_to_level is None else f'{epochs_to_level:.2f}',
        **_read_scores(trial, manifest, is_done),
        'examples': manifest.count_examples(trial.config.evaluation.split),
        **_measure_speed(epochs, manifest.count_examples(manifests.TRAIN)),
        'settings': _hash_settings(trial),
        'manifest_sha256': manifest.sha256,
        'time': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        **{name: versions[name] for name in ('commit', 'tensorflow', 'keras')},
    }


def _measure_speed(epochs: experiment_tables.Rows, examples: int) -> dict[str, str]:
    speeds = experiment_tables.get_values(epochs, 'images_per_sec')
    if not speeds:
        return {'images_per_sec': '', 'train_secs': '0'}
    seconds = count_epochs(epochs) * statistics.mean(examples / speed for speed in speeds)
    return {'images_per_sec': f'{statistics.median(speeds):.1f}', 'train_secs': f'{seconds:.0f}'}


def _read_scores(trial: grid.Trial, manifest: manifests.Manifest, is_done: bool) -> dict[str, str]:
    """Reads the errors and losses that the trial's evaluation wrote, by views; '' for no value."""
    config = trial.config
    expected = {'manifest_sha256': manifest.sha256, 'split': config.evaluation.split, 'weights': ''}
    rows = {
        int(row['views']): row
        for row in (results.read_newest(pathlib.Path(config.run_dir)) if is_done else ())
        if expected.items() <= row.items()
    }
    chosen = rows.keys() & selection.select_views(config)
    return {
        f'{name}_{views}': rows[views][name] if views in chosen else ''
        for views in outputs.VIEWS.values()
        for name in ('top1_error', 'top5_error', 'loss')
    }
