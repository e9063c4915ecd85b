"""Completes a command's settings, from a resumed run or by naming directories after a source.

This happens here only, once; the config of a command holds values, not where they came from.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from alexnet_tf.config import fields, schema, serialization, validation
from input_pipeline import errors

_PREPARING = ('prepare', 'train', 'all')  # modes that use the records of --source_dir
_RESUMABLE = ('train', 'all')
_OF_A_RUN = ('evaluate', 'export', 'report', 'retrieve', 'plot')  # modes that may read its records
# What a run stores about its records, or about the index of images that were not prepared.
_RECORDS = (
    *('data_dir', 'source', 'dataset', 'train_split', 'validation_split', 'validation_fraction'),
    *('statistics', 'max_bad_fraction', 'shard_examples'),
    *('exif_orientation', 'colour_profiles', 'background'),
)
TFDS = 'tfds:'  # in front of the name of a data set, as a --data_dir
IMPORTED = (
    '--run_dir={0} holds imported weights, which no training can resume from. Give '
    '--init_weights={0} and another --run_dir to fine-tune them.'
)


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that were given, and those that follow from them.

    `resume` adds all settings of the run in `run_dir` that were not given. `source_dir` adds a
    `data_dir` and a `run_dir` named after it, unless they were given. `import` takes the recipe of
    the weights. Modes that evaluate, export or show a run add its records.

    Args:
        settings: Settings by flag name.

    Raises:
        UsageError: `resume` with a mode that does not train one run, or of imported weights; or
            `source_dir` without `data_dir` in a mode that neither prepares nor trains.
        DataError: `resume` without a run in `run_dir`.
    """
    if settings.get('resume'):
        return _read_run(settings) | settings | {'resume': False}
    if settings.get('mode') == 'import':
        return {'recipe': schema.ANY_RECIPE} | settings
    return _name_directories(settings) | _find_records(settings) | settings


def _read_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    directory = pathlib.Path(settings.get('run_dir', schema.Config.run_dir))
    if settings.get('mode', 'train') not in _RESUMABLE:
        raise fields.UsageError(
            f'--resume belongs to --mode=train or all, not to {settings["mode"]}.'
        )
    stored = serialization.read_object(directory, serialization.CONFIG_FILE)
    if stored.get('mode') == 'import':
        raise fields.UsageError(IMPORTED.format(directory))
    if settings.get('mode', stored.get('mode')) != 'all':  # train refuses --export_also
        stored = {name: stored[name] for name in stored.keys() - validation.EXCLUSIVE}
    return stored | {'run_dir': str(directory)}


def _find_records(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the stored settings of the records that the given run was trained on."""
    mode = settings.get('mode')
    if 'data_dir' in settings:
        return {}
    if settings.get('source_dir') and mode in (*_OF_A_RUN, 'experiment', 'benchmark'):
        raise fields.UsageError(
            f'--source_dir belongs to --mode=prepare, train and all. --mode={mode} reads records '
            'or a folder of images: give it as --data_dir.'
        )
    if mode not in _OF_A_RUN:
        return {}
    run_dir, *_ = settings.get('ensemble') or [settings.get('run_dir', schema.Config.run_dir)]
    with contextlib.suppress(errors.DataError):  # reported later, if the command reads the run
        stored = serialization.read_object(pathlib.Path(run_dir), serialization.CONFIG_FILE)
        return {name: stored[name] for name in _RECORDS if name in stored}
    return {}


def _name_directories(settings: Mapping[str, Any]) -> dict[str, str]:
    """Names directories for a source: data/photos and runs/photos for a folder photos."""
    source, mode = settings.get('source_dir'), settings.get('mode', schema.Config.mode)
    name = _get_name(source) if source else ''
    if not name or mode not in _PREPARING:
        return {}
    base = _find_base(source)
    places = {'data_dir': ('data', name, 'records'), 'run_dir': ('runs', name, 'run')}
    return {key: _name_beside(source, base, *place) for key, place in places.items()}


def _name_beside(source: str, base: str, parent: str, name: str, kind: str) -> str:
    """Names a directory that is not among the images of a source."""
    directory = os.path.join(base, parent, name)
    if is_within(directory, source):  # images in data/photos
        directory += f'-{kind}'
    return _leave(directory, source, base)


def _leave(directory: str, source: str, base: str) -> str:
    """Moves a directory to `base` if it is among images, such as those of a folder `data`."""
    is_among = is_within(directory, source)
    return os.path.join(base, os.path.basename(directory)) if is_among else directory


def name_index(place: str) -> str:
    """Names the directory for the index of unprepared images.

    >>> name_index('/images/photos'), name_index('tfds:mnist:3.0.1')
    ('data/photos-index', 'data/mnist-3.0.1-index')

    Args:
        place: Folder of the images, file that lists them, or TFDS and the name of a data set.
    """
    if place.startswith(TFDS):
        name = re.sub('[:/]', '-', place.removeprefix(TFDS))
        return os.path.join('data', f'{name}-index')
    base = _find_base(place)
    return _leave(os.path.join(base, 'data', f'{_get_name(place)}-index'), place, base)


def _get_name(source: str) -> str:
    name = os.path.basename(os.path.abspath(source))
    if not os.path.isfile(source):
        return name
    stem, suffix = os.path.splitext(name)  # a list may be one of several, such as fold.1.csv
    return stem if suffix.lower() == '.csv' else name.partition('.')[0] or name


def _find_base(source: str) -> str:
    """Finds a directory outside the images, where new folders are not taken for classes."""
    return os.path.relpath(os.path.join(source, '..')) if is_within('.', source) else ''


def is_within(path: str, directory: str) -> bool:
    """Returns whether a path is in a directory, or is it."""
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(directory).resolve())
