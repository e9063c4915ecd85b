"""Creates a run directory, or checks that a command fits the run that it resumes."""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from alexnet_tf.config import fields, resolution, schema, serialization
from alexnet_tf.models import recipes
from alexnet_tf.reports import provenance
from alexnet_tf.runs import build, run_directory
from alexnet_tf.training import distribution, schedule
from input_pipeline import errors, files, locks
from input_pipeline.images import rendering
from input_pipeline.records import manifests

# Settings of network and training that may change when a run resumes: how far it trains, where, and
# what it writes.
_FREE_SETTINGS = {
    *('minutes', 'epochs', 'max_steps', 'validate_every_epochs', 'stop_train_error'),
    *('checkpoint_secs', 'stop_after_worse_epochs'),
    *('log_every_steps', 'keep_every_epochs'),
    *('profile_steps', 'on_nonfinite', 'accumulate_steps', 'strategy', 'devices'),
    *('worker_timeout_secs', 'collective'),
    recipes.FORMER_ORDER,  # the recipe's conv1_order counts
}


@contextlib.contextmanager
def lock(directory: pathlib.Path, replicas: distribution.SingleReplica) -> Iterator[None]:
    """Keeps a second training process out of a run directory for the block.

    A directory that did not exist before and in which nothing was created is removed again.

    Args:
        directory: The run directory.
        replicas: Only the chief worker locks.

    Raises:
        DataError: Another process trains in the directory.
    """
    if not replicas.is_chief:
        yield
        return
    existed = directory.exists()
    try:
        with locks.acquire(directory):
            yield
    finally:
        contents = list(directory.glob('*'))
        if not existed and [path.name for path in contents] == [locks.FILE_NAME]:
            contents[0].unlink()
            directory.rmdir()


def create_or_check(config: schema.Config, manifest: manifests.Manifest) -> None:
    """Creates a run directory, or checks that the existing one is of the same run.

    Args:
        config: Settings of the command.
        manifest: Of the training records.

    Raises:
        UsageError, DataError: See `check_same_run`.
    """
    directory = pathlib.Path(config.run_dir)
    contents = {serialization.CONFIG_FILE: serialization.to_json(config)}
    if run_directory.holds_run(directory):
        check_same_run(config, manifest)
    else:
        with (
            files.atomic_file(directory / run_directory.MEAN_IMAGE_FILE) as temporary,
            open(temporary, 'wb') as file,
        ):
            np.save(file, manifests.load_statistics(manifest).mean_image)
        environment = json.dumps(provenance.collect(), indent=2)
        contents[run_directory.ENVIRONMENT_FILE] = environment
        data = {
            'manifest_sha256': manifest.sha256,
            run_directory.EXAMPLES_KEY: manifest.count_examples(manifests.TRAIN),
            **{name: getattr(manifest, name) for name in ('classes', 'words', 'ids', 'source')},
            **rendering.Rendering.from_settings(manifest.settings).to_settings(),
            run_directory.RECIPE_KEY: dataclasses.asdict(recipes.RECIPES[config.network.recipe]),
        }
        # Written last: it makes the directory a run.
        contents[run_directory.DATA_FILE] = json.dumps(data, indent=2)
    for name, text in contents.items():
        files.write_atomically(directory / name, text.encode())


def restore_former_values(config: schema.Config) -> schema.Config:
    """Returns the config with the recipe values that an existing run was started with."""
    directory, settings = pathlib.Path(config.run_dir), serialization.to_settings(config)
    former = run_directory.list_former_values(directory, settings)
    return serialization.replace(config, former) if former else config


def check_same_run(config: schema.Config, manifest: manifests.Manifest) -> None:
    """Checks that settings and records are those that the run in `run_dir` was started with.

    Raises:
        DataError: The records differ; the message names differing settings, too.
        UsageError: Only the settings differ, or the run is of imported weights.
    """
    directory = pathlib.Path(config.run_dir)
    data = run_directory.read_data(directory)
    if run_directory.IMPORTED_KEY in data:
        raise fields.UsageError(resolution.IMPORTED.format(directory))
    has_other_records = data['manifest_sha256'] != manifest.sha256
    before = list_fixed_settings(run_directory.read_config(directory))
    differences = describe_differences(before, list_fixed_settings(config))
    if not differences and not has_other_records:
        return
    problems = []
    if has_other_records:
        problems += [f'trained on other records than those in --data_dir={config.data.data_dir}']
    if differences:
        problems += [f'started with other settings ({"; ".join(differences)})']
    kind = errors.DataError if has_other_records else fields.UsageError
    also = ', the --data_dir of its records' if has_other_records else ''
    raise kind(
        f'--run_dir={directory} was {", and ".join(problems)}. Give --run_dir{also} and --resume '
        'alone to resume it as it was, or another --run_dir to start a new run.'
    )


def describe_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describes the settings that differ, by name."""
    return [
        f'{name}: {_show(before.get(name))} then, {_show(now.get(name))} now'
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _show(value: Any) -> str:
    return 'default' if value is None else fields.format_value(value) or 'none'


def list_fixed_settings(config: schema.Config) -> dict[str, Any]:
    """Lists the settings, by flag name, that must not change when a run resumes."""
    values = serialization.to_settings(config)
    sections = (config.network, config.training)
    names = {field.name for section in sections for field in fields.list_settings(section)}
    fixed = {name: values[name] for name in (names | {'seed'}) - _FREE_SETTINGS}
    recipe = dataclasses.asdict(build.resolve_recipe(config))
    # In these, the end decides every learning rate.
    if recipe['schedule'] in ('geometric', *schedule.ENDING):
        fixed |= {'epochs': None, 'max_steps': None}
    # A flag with the recipe's own value changes nothing.
    return fixed | {name: recipe[name] for name in fixed.keys() & recipe}


def compute_identity(
    config: schema.Config, manifest: manifests.Manifest, checkpoint: pathlib.Path | None
) -> dict[str, int]:
    """Computes what all workers of a run must have in common, as numbers below 2**40.

    Args:
        config: Settings of the command.
        manifest: Of the training records.
        checkpoint: The checkpoint to resume from.
    """
    training, recipe = config.training, build.resolve_recipe(config)
    end = (recipe.epochs, recipe.max_steps, training.on_nonfinite, training.stop_train_error)
    end += (training.stop_after_worse_epochs, training.validate_every_epochs)
    # Kept epochs are validated; batch normalisation uses the statistics of each part.
    end += (training.keep_every_epochs, training.accumulate_steps)
    end += (config.evaluation.eval_batch_size,)
    texts = {
        'the newest checkpoint in --run_dir': checkpoint.name if checkpoint else '',
        'epochs, steps, validation, --stop_train_error or --on_nonfinite': str(end),
        'records': manifest.sha256,
    }
    return compute_settings_identity(config) | {
        name: _compute_digest([text.encode()]) for name, text in texts.items()
    }


def compute_settings_identity(config: schema.Config) -> dict[str, int]:
    """Computes the part of a run's identity that all workers need to build the same network."""
    parts = {'settings': list_fixed_settings(config), 'versions': provenance.collect_versions()}
    texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
    return {name: _compute_digest([text.encode()]) for name, text in texts.items()}


def compute_weights_identity(weights: Iterable[np.ndarray]) -> dict[str, int]:
    """Computes the part of a run's identity that depends on the weights at the start."""
    parts = (np.ascontiguousarray(array).tobytes() for array in weights)
    return {'the files of --init_weights and --class_weights': _compute_digest(parts)}


def _compute_digest(parts: Iterable[bytes]) -> int:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return int(digest.hexdigest()[:10], 16)
