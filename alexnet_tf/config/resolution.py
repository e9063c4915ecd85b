"""Completes the settings that a command gives: a resumed run's own, directories named for a source.

Both are settled here, once; the config of a command says what holds, not where it came from.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from alexnet_tf.config import fields, schema, serialization

_PREPARING = ('prepare', 'train', 'all')  # modes that meet the records of --source_dir
_RESUMABLE = ('train', 'all')


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that were given, with what follows from them.

    With `resume`, all settings of the run in `run_dir` that were not given. With `source_dir`, a
    `data_dir` and a `run_dir` of its name, unless they were given.

    Args:
        settings: Settings by flag name.

    Raises:
        UsageError: `resume` with a mode that does not train one run.
        DataError: `resume` without a run in `run_dir`.
    """
    if settings.get('resume'):
        return _read_run(settings) | settings | {'resume': False}
    return _name_directories(settings) | settings


def _read_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    directory = pathlib.Path(settings.get('run_dir', schema.Config.run_dir))
    if settings.get('mode', 'train') not in _RESUMABLE:
        raise fields.UsageError(
            f'--resume belongs to --mode=train or all, not to {settings["mode"]}.'
        )
    stored = serialization.read_object(directory, serialization.CONFIG_FILE)
    return stored | {'run_dir': str(directory)}


def _name_directories(settings: Mapping[str, Any]) -> dict[str, str]:
    """Names directories for a source: data/photos and runs/photos for a folder photos."""
    source, mode = settings.get('source_dir'), settings.get('mode', schema.Config.mode)
    name = os.path.basename(os.path.abspath(source)) if source else ''
    if not name or mode not in _PREPARING:
        return {}
    if os.path.isfile(source):
        name = name.partition('.')[0] or name
    # Never among the images, where they would be taken for classes.
    base = os.path.relpath(os.path.join(source, '..')) if _is_within('.', source) else ''
    data_dir = os.path.join(base, 'data', name)
    if _is_within(data_dir, source):  # images in data/photos
        data_dir += '-records'
    return {'data_dir': data_dir, 'run_dir': os.path.join(base, 'runs', name)}


def _is_within(path: str, directory: str) -> bool:
    return pathlib.Path(path).resolve().is_relative_to(pathlib.Path(directory).resolve())
