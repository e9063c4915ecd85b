"""The files of a run directory, and what is read from them without building the network."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.models import cifar, recipes
from alexnet_tf.reports import tables
from alexnet_tf.training import checkpoint
from input_pipeline import errors
from input_pipeline.images import rendering
from input_pipeline.records import manifests

DATA_FILE = 'data.json'
MEAN_IMAGE_FILE = 'mean_image.npy'
ENVIRONMENT_FILE = 'environment.json'
SUMMARY_FILE = 'summary.csv'
CHECKPOINTS = 'checkpoints'
EXAMPLES_KEY = 'train_examples'  # in DATA_FILE: of an epoch
RECIPE_KEY = 'recipe'  # in DATA_FILE: the values of the recipe, which a later version may change
# In DATA_FILE: which weights `--mode=import` read; `manifest_sha256` is then empty.
IMPORTED_KEY = 'weights'
# Columns of SUMMARY_FILE that are read.
_SUMMARY_COLUMNS = (
    *('epoch', 'step', 'learning_rate', 'train_top1_error', 'validation_top1_error'),
    *('validation_loss', 'images_per_sec'),
)


def find_owner(weights: pathlib.Path) -> pathlib.Path | None:
    """Finds the run directory that a file of weights lies in; None if there is none."""
    if weights.name != checkpoint.VARIABLES_FILE:
        return None
    directory = weights.absolute().parent.parent.parent
    return directory if holds_run(directory) else None


def read_config(directory: pathlib.Path) -> schema.Config:
    """Reads the settings of a run.

    Raises:
        DataError: The directory holds no run, or the file is damaged.
    """
    settings = serialization.read_object(directory, serialization.CONFIG_FILE)
    try:
        return serialization.from_settings(settings | list_former_values(directory, settings))
    except fields.UsageError as error:
        path = directory / serialization.CONFIG_FILE
        raise errors.DataError(f'{path}: {error} {serialization.RESTORE}') from error


def list_former_values(directory: pathlib.Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lists the original values of a run's recipe that have changed since the run began.

    Args:
        directory: The run directory.
        settings: The run's settings; values that they override are not listed.
    """
    stored = {}
    if holds_run(directory):
        stored = read_data(directory).get(RECIPE_KEY, stored)
    recipe = recipes.RECIPES.get(stored.get('name'))  # runs of older versions have none
    if not recipe or settings.get('recipe', recipe.name) != recipe.name:
        return {}
    now = dataclasses.asdict(recipe)
    unused = cifar.list_unused_fields(recipe)
    then = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored.items()
        if name in now and settings.get(name, '') is None and name not in unused
    }
    former = {name: value for name, value in then.items() if value != now[name]}
    if 'crop_size' in former and 'training_crop_size' in then:  # which crop_size alone would reset
        former['training_crop_size'] = then['training_crop_size']
    return former


def read_data(directory: pathlib.Path) -> dict[str, Any]:
    """Reads what a run keeps about its training records: `manifest_sha256`, `classes`, ...

    Raises:
        DataError: The directory holds no run, or the file is damaged.
    """
    data = serialization.read_object(directory, DATA_FILE)
    if damaged := _find_damage(data):
        path = directory / DATA_FILE
        raise errors.DataError(f'{path} has no valid {damaged}. {serialization.RESTORE}')
    return data


def _find_damage(data: Mapping[str, Any]) -> str:
    """Names the first entry of DATA_FILE that a run cannot have; '' if there is none."""
    classes, words = data.get('classes'), data.get('words', [])  # older versions have no words
    recipe = data.get(RECIPE_KEY, {'name': ''})
    if not isinstance(data.get('manifest_sha256'), str):
        return 'manifest_sha256'
    if not _are_texts(classes):
        return 'classes'
    if not _are_texts(words) or len(words) not in (0, len(classes)):
        return 'words'
    is_recipe = isinstance(recipe, dict) and isinstance(recipe.get('name'), str)
    return '' if is_recipe else RECIPE_KEY


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def read_epochs(directory: pathlib.Path) -> list[dict[str, str]]:
    """Reads the rows of a run's `summary.csv`, by column; none if no epoch has been validated.

    Raises:
        DataError: The file is damaged.
    """
    return tables.read_csv(directory / SUMMARY_FILE, _SUMMARY_COLUMNS)


def read_mean_image(directory: pathlib.Path) -> np.ndarray:
    """Reads the mean of a run's training images, (size, size, 3) float32 RGB in [0, 255].

    Raises:
        DataError: There is none, or the file is damaged.
    """
    path = directory / MEAN_IMAGE_FILE
    try:
        return np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError) as error:
        raise errors.DataError(
            f'{path} cannot be read ({error}). {serialization.RESTORE}'
        ) from error


def holds_run(directory: pathlib.Path) -> bool:
    """Returns whether a directory holds a run: its `DATA_FILE` is written last."""
    return (directory / DATA_FILE).is_file()


def may_be_of(data: Mapping[str, Any], manifest_sha256: str) -> bool:
    """Returns whether a run may have been trained on records; imported weights do not tell.

    Args:
        data: What `read_data` returns for the run.
        manifest_sha256: Hash of the records' manifest.
    """
    return data['manifest_sha256'] in ('', manifest_sha256)


def read_classes(directory: pathlib.Path) -> tuple[str, ...]:
    """Reads the class labels that a run was trained on, in label order."""
    return tuple(read_data(directory)['classes'])


def check_same_classes(directory: pathlib.Path, manifest: manifests.Manifest) -> None:
    """Checks that records have the classes that a run was trained on, and images of its size.

    Raises:
        DataError: They have not, or the directory holds no run.
    """
    known = read_classes(directory)
    if manifest.classes != known:
        differences = [
            f'{kind}: {errors.join_some(names)}'
            for kind, names in (
                ('missing', [name for name in known if name not in manifest.classes]),
                ('unknown', [name for name in manifest.classes if name not in known]),
            )
            if names
        ]
        raise errors.DataError(
            f'{manifest.directory} has other classes than the network in {directory} was trained '
            f'on ({"; ".join(differences) or "in another order"}). Name images of the same classes.'
        )
    check_same_size(directory, manifest)


def check_same_size(directory: pathlib.Path, manifest: manifests.Manifest) -> None:
    """Checks that the images of records are as large as those that a run was trained on.

    Raises:
        DataError: They are not, or the directory holds no run.
    """
    size, trained = manifest.layout.square_size, len(read_mean_image(directory))
    if size != trained:
        raise errors.DataError(
            f'{manifest.directory} has images of {size} x {size}, but the network in {directory} '
            f'was trained on {trained} x {trained}. Name the records of its training, or prepare '
            'others in the same way.'
        )


def check_same_data(directories: Sequence[str], *, reads_files: bool) -> None:
    """Checks that runs to be averaged were trained on the same records.

    The records of imported weights are not known; they only need the same classes.

    Raises:
        DataError: They were not, they preprocess files differently, or a directory holds no run.
    """
    if len(directories) < 2:
        return
    data = [read_data(pathlib.Path(name)) for name in directories]
    for name, other in zip(directories[1:], data[1:], strict=True):
        problem = _find_difference(data[0], other, reads_files)
        if problem:
            raise errors.DataError(
                f'--ensemble: {name} {problem} than {directories[0]}. Name runs of the same '
                'records, or imported weights of the same classes and preprocessing.'
            )


def _find_difference(first: Mapping[str, Any], other: Mapping[str, Any], reads_files: bool) -> str:
    """Describes how another run's data differ; '' if they do not."""
    hashes = [data['manifest_sha256'] for data in (first, other)]
    if all(hashes):
        return '' if hashes[0] == hashes[1] else 'was trained on other records'
    if first['classes'] != other['classes']:
        return 'has other classes'
    if not reads_files:
        return ''
    renderings = [rendering.Rendering.from_settings(data) for data in (first, other)]
    return '' if renderings[0] == renderings[1] else 'preprocesses image files differently'


def find_checkpoint(directory: pathlib.Path, which: str, flag: str) -> pathlib.Path:
    """Finds the newest or the best checkpoint of a run.

    Args:
        directory: The run directory.
        which: 'newest' or 'best'.
        flag: The flag that named the directory, for the message.

    Raises:
        DataError: There is no checkpoint, or all are corrupt.
    """
    find = {'newest': checkpoint.find_newest, 'best': checkpoint.find_best}[which]
    path = find(directory / CHECKPOINTS)
    if path is None:
        raise errors.DataError(
            f'{flag}={directory} holds no trained network. Run --mode=train first, or name '
            f'another {flag}.'
        )
    return path


def get_export_dir(config: schema.Config) -> pathlib.Path:
    """Returns the directory that holds the versions of a run's SavedModel."""
    return pathlib.Path(config.export.export_dir or pathlib.Path(config.run_dir) / 'export')
