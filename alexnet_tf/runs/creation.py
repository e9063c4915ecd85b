"""How a run begins, and what may not change while it goes on."""

import hashlib
import json
import pathlib
from typing import Any

import numpy as np

from alexnet_tf.config import fields, schema
from alexnet_tf.reports import provenance
from alexnet_tf.runs import run as runs
from input_pipeline import errors, files

# What may differ when a command goes on with a run: how far it goes, and what it writes.
_FREE = {
    'mode',
    'run_dir',
    'debug',
    'epochs',
    'stop_train_error',
    'checkpoint_secs',
    'log_every_steps',
    'keep_every_epochs',
    'profile_steps',
    'on_nonfinite',
    'accumulate_steps',
    'strategy',
    'devices',
    'data_dir',
    'source',
    'source_dir',
    'eval_batch_size',
    'max_bad_fraction',
}
_OF_ITS_OWN = ('network', 'training')


def begin(config: schema.Config, manifest, mean_image: np.ndarray) -> pathlib.Path:
    """Makes the run's directory, or checks that the one that stands is of the same run.

    Raises:
        UsageError: It was begun with other settings.
        DataError: It was begun on other data.
    """
    directory = pathlib.Path(config.run_dir)
    data = {
        'manifest_sha256': manifest.sha256,
        'classes': manifest.classes,
        'words': manifest.words,
        'ids': manifest.ids,
        'source': manifest.source,
        'exif_orientation': manifest.settings['exif_orientation'],
    }
    if (directory / runs.DATA).exists():
        check_same(config, manifest)
        # How far it goes, and where, may have changed.
        text = schema.to_json(config).encode()
        files.write_atomically(directory / runs.CONFIG, text)
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    with (
        files.atomic_file(directory / runs.MEAN) as aside,
        open(aside, 'wb') as file,
    ):
        np.save(file, mean_image)
    for name, text in [
        (runs.CONFIG, schema.to_json(config)),
        (runs.ENVIRONMENT, json.dumps(provenance.found(), indent=2)),
        (runs.DATA, json.dumps(data, indent=2)),
    ]:
        files.write_atomically(directory / name, text.encode())
    return directory


def check_same(config: schema.Config, manifest) -> None:
    """Refuses to go on with a run that was begun otherwise.

    Raises:
        UsageError: With other settings.
        DataError: On other records.
    """
    directory = pathlib.Path(config.run_dir)
    began, now = owned(schema.from_json((directory / runs.CONFIG).read_text())), owned(config)
    differing = [
        f'{name}: {began.get(name)} then, {now.get(name)} now'
        for name in sorted({*began, *now})
        if began.get(name) != now.get(name)
    ]
    if differing:
        raise schema.UsageError(
            f'--run_dir={directory} was begun with other settings ({"; ".join(differing)}). '
            'Give the same ones to go on, or another --run_dir to start afresh.'
        )
    if runs.data_of(directory)['manifest_sha256'] != manifest.sha256:
        raise errors.DataError(
            f'--run_dir={directory} was begun on other data than --data_dir='
            f'{config.data.data_dir} holds. Name the data it was begun on, or another --run_dir.'
        )


def owned(config: schema.Config) -> dict[str, Any]:
    """The settings that may not change while a run goes on."""
    values = schema.to_settings(config)
    names = {f.name for part in _OF_ITS_OWN for f in fields.fields(getattr(config, part))}
    found = {name: values[name] for name in (names | {'seed'}) - _FREE}
    numbers = runs.resolve_recipe(config)
    if numbers.schedule == 'geometric':
        found['epochs'] = numbers.epochs  # they decide every rate
    return found


def identity(config: schema.Config, manifest, found: pathlib.Path | None) -> dict[str, int]:
    """What all workers of a run must have in common, as numbers below 2**40.

    Args:
        config: Of the command.
        manifest: Of its records.
        found: The newest checkpoint.
    """
    training = config.training
    epochs = (
        *(runs.resolve_recipe(config).epochs, training.on_nonfinite),
        training.stop_train_error,
    )
    texts = {
        'the newest checkpoint in --run_dir': found.name if found else '',
        'settings': json.dumps(owned(config), sort_keys=True),
        'epochs, --stop_train_error or --on_nonfinite': str(epochs),
        'records': manifest.sha256,
    }
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return {name: int(digest[:10], 16) for name, digest in digests.items()}
