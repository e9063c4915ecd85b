"""A run's directory: what it was asked, on which data, and the network it has learned."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import input_pipeline
from alexnet_tf import config as configs
from alexnet_tf import settings
from alexnet_tf.network import alexnet, recipe
from alexnet_tf.network import devices as placement
from alexnet_tf.reporting import environment
from alexnet_tf.training import checkpoint

_CONFIG, _DATA, _MEAN, _ENVIRONMENT = (
    'config.json',
    'data.json',
    'mean_image.npy',
    'environment.json',
)
# What may differ when a command goes on with a run: how far it goes, and what it writes.
_FREE = {
    'mode',
    'run_dir',
    'debug',
    'epochs',
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


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained network and what is needed to use it.

    Attributes:
        directory: The run's directory.
        model: images -> logits, with a checkpoint's weights.
        recipe: Its numbers.
        classes: Names in label order.
        names: The same for people: with words, where classes have some.
        mean_image: (size, size, 3) float32, of the data that it was trained on.
        exif_orientation: Whether that data was turned as EXIF says.
        step: Steps it was trained for.
    """

    directory: pathlib.Path
    model: keras.Model
    recipe: recipe.Recipe
    classes: tuple[str, ...]
    names: tuple[str, ...]
    mean_image: np.ndarray
    exif_orientation: bool
    step: int


def load(config: configs.Config, *, compiled: bool = False) -> Run:
    """The run in `config.run_dir`, on one device, whatever it was trained on.

    Args:
        config: Of the command.
        compiled: Faster, but not for export.

    Raises:
        DataError: There is no run, or its checkpoints are broken.
    """
    directory = pathlib.Path(config.run_dir)
    path = checkpoint_in(directory, config.evaluation.checkpoint, '--run_dir')
    trained = configs.from_json((directory / _CONFIG).read_text())
    data = json.loads((directory / _DATA).read_text())
    numbers = resolve_recipe(trained)
    model = build_model(trained, numbers, len(data['classes']), devices=(), compiled=compiled)
    checkpoint.restore(path, weights(model))
    return Run(
        directory=directory,
        model=model,
        recipe=numbers,
        classes=tuple(data['classes']),
        names=_names(data['classes'], data.get('words', ())),
        mean_image=np.load(directory / _MEAN, allow_pickle=False),
        exif_orientation=data.get('exif_orientation', False),
        step=checkpoint.read_state(path)['step'],
    )


def checkpoint_in(directory: pathlib.Path, which: str, flag: str) -> pathlib.Path:
    """The newest or the best checkpoint of a run.

    Raises:
        DataError: There is none, or all are broken; `flag` named the run.
    """
    load = {'newest': checkpoint.load_newest, 'best': checkpoint.load_best}
    path = load[which](directory / 'checkpoints')
    if path is None:
        raise input_pipeline.errors.DataError(
            f'{flag}={directory} holds no trained network. Run --mode=train first, or name '
            f'another {flag}.'
        )
    return path


def classes_of(directory: pathlib.Path) -> tuple[str, ...]:
    """The classes that a run was trained on."""
    return tuple(json.loads((directory / _DATA).read_text())['classes'])


def manifest_sha256_of(directory: pathlib.Path) -> str:
    """The hash of the records that a run was trained on.

    Raises:
        DataError: There is no run.
    """
    path = directory / _DATA
    if not path.is_file():
        raise input_pipeline.errors.DataError(f'{directory} is no run: it has no {path.name}.')
    return json.loads(path.read_text())['manifest_sha256']


def _names(classes, words) -> tuple[str, ...]:
    if not words:
        return tuple(classes)
    return tuple(' '.join(each).rstrip() for each in zip(classes, words, strict=True))


def weights(model: keras.Model) -> list[keras.Variable]:
    """The variables that a trained network is."""
    return [each for each in model.variables if 'seed_generator' not in each.path]


def resolve_recipe(config: configs.Config) -> recipe.Recipe:
    """The preset with every number that a flag gives."""
    names = {field.name for field in dataclasses.fields(recipe.Recipe)}
    given = configs.to_settings(config)
    return recipe.resolve(
        config.network.recipe, **{name: given[name] for name in names & set(given)}
    )


def augmentation(
    statistics: dict[str, np.ndarray], numbers: recipe.Recipe
) -> input_pipeline.augmentation.Augmentation:
    """The training transformation that a recipe asks for, on pictures with these statistics."""
    return input_pipeline.augmentation.Augmentation(
        statistics['mean_image'],
        statistics['eigenvalues'],
        statistics['eigenvectors'],
        crop_size=numbers.crop_size,
        shift_sd=numbers.colour_shift_sd,
        divisor=numbers.colour_shift_divisor,
        shift_epochs=numbers.colour_shift_epochs,
        crop_chunk=numbers.crop_chunk,
    )


def build_model(
    config: configs.Config,
    numbers: recipe.Recipe,
    num_classes: int,
    *,
    devices: tuple[str, ...],
    compiled: bool,
) -> keras.Model:
    """The network that a config asks for.

    Raises:
        UsageError: Numbers that make no network, or a device that is not there.
    """
    check_devices(devices)
    try:
        return alexnet.build(
            numbers,
            num_classes=num_classes,
            width=config.network.width,
            devices=devices,
            precision=config.network.precision,
            seed=config.seed,
            compiled=compiled,
        )
    except ValueError as error:
        raise configs.UsageError(str(error)) from error


def check_devices(devices: Sequence[str]) -> None:
    """Refuses devices that are not there.

    Raises:
        UsageError: As said.
    """
    try:
        placement.check(devices)
    except ValueError as error:
        raise configs.UsageError(str(error)) from error


def begin(config: configs.Config, manifest, mean_image: np.ndarray) -> pathlib.Path:
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
        'exif_orientation': manifest.settings['exif_orientation'],
    }
    if (directory / _DATA).exists():
        _check_same(directory, config, data)
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    with input_pipeline.files.atomic_file(directory / _MEAN) as aside, open(aside, 'wb') as file:
        np.save(file, mean_image)
    for name, text in [
        (_CONFIG, configs.to_json(config)),
        (_ENVIRONMENT, json.dumps(environment.found(), indent=2)),
        (_DATA, json.dumps(data, indent=2)),
    ]:
        input_pipeline.files.write_atomically(directory / name, text.encode())
    return directory


def _check_same(directory: pathlib.Path, config: configs.Config, data: dict[str, Any]) -> None:
    began, now = owned(configs.from_json((directory / _CONFIG).read_text())), owned(config)
    differing = [
        f'{name}: {began.get(name)} then, {now.get(name)} now'
        for name in sorted({*began, *now})
        if began.get(name) != now.get(name)
    ]
    if differing:
        raise configs.UsageError(
            f'--run_dir={directory} was begun with other settings ({"; ".join(differing)}). '
            'Give the same ones to go on, or another --run_dir to start afresh.'
        )
    if json.loads((directory / _DATA).read_text())['manifest_sha256'] != data['manifest_sha256']:
        raise input_pipeline.errors.DataError(
            f'--run_dir={directory} was begun on other data than --data_dir='
            f'{config.data.data_dir} holds. Name the data it was begun on, or another --run_dir.'
        )


def owned(config: configs.Config) -> dict[str, Any]:
    """The settings that may not change while a run goes on."""
    values = configs.to_settings(config)
    names = {f.name for part in _OF_ITS_OWN for f in settings.fields(getattr(config, part))}
    found = {name: values[name] for name in (names | {'seed'}) - _FREE}
    numbers = resolve_recipe(config)
    if numbers.schedule == 'geometric':
        found['epochs'] = numbers.epochs  # they decide every rate
    return found


def identity(config: configs.Config, manifest, found: pathlib.Path | None) -> dict[str, int]:
    """What all workers of a run must have in common, as numbers below 2**40.

    Args:
        config: Of the command.
        manifest: Of its records.
        found: The newest checkpoint.
    """
    epochs = (resolve_recipe(config).epochs, config.training.on_nonfinite)
    texts = {
        'the newest checkpoint in --run_dir': found.name if found else '',
        'settings': json.dumps(owned(config), sort_keys=True),
        'epochs or --on_nonfinite': str(epochs),
        'records': manifest.sha256,
    }
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return {name: int(digest[:10], 16) for name, digest in digests.items()}
