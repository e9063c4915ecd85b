"""Checkpoints: whole or not there, verified when loaded.

`<directory>/step-00001234/` holds `variables.npz` (weights, velocities, random state, by name),
`state.json` (where the run stood) and `sha256.json` (of both files).
"""

import json
import pathlib
import shutil
import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from input_pipeline import errors, files

KEEP = 3
_VARIABLES, _STATE, _HASHES = 'variables.npz', 'state.json', 'sha256.json'


def save(
    directory: pathlib.Path, variables: Iterable[keras.Variable], state: dict[str, Any]
) -> pathlib.Path:
    """Writes the checkpoint of `state['step']` and removes all but the newest three.

    Raises:
        OSError: The disk is full or not writable; earlier checkpoints stand untouched.
    """
    final = directory / f'step-{state["step"]:08d}'
    if final.exists():
        return final
    with files.atomic_directory(final) as aside:
        np.savez(aside / _VARIABLES, **{each.path: each.numpy() for each in variables})
        (aside / _STATE).write_text(json.dumps(state, indent=2))
        hashes = {name: files.sha256(aside / name) for name in (_VARIABLES, _STATE)}
        (aside / _HASHES).write_text(json.dumps(hashes, indent=2))
    for old in _newest_first(directory)[KEEP:]:
        shutil.rmtree(old)
    return final


def load_newest(directory: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint that is whole; None where there has been none.

    A broken one is named in a warning and passed over.

    Raises:
        DataError: There are checkpoints and all are broken.
    """
    found = _newest_first(directory)
    for path in found:
        problem = _problem(path)
        if problem is None:
            return path
        warnings.warn(f'checkpoint {path} is passed over: {problem}.', stacklevel=2)
    if found:
        raise errors.DataError(
            f'none of the {len(found)} checkpoints in {directory} is whole (each has a '
            'sha256.json that its files must match). Remove the directory to start afresh.'
        )
    return None


def read_state(path: pathlib.Path) -> dict[str, Any]:
    """Where the run stood."""
    return json.loads((path / _STATE).read_text())


def restore(path: pathlib.Path, variables: Iterable[keras.Variable]) -> None:
    """Sets every variable to its value in the checkpoint.

    Raises:
        DataError: A variable is missing there, or has another shape: another network's.
    """
    with np.load(path / _VARIABLES, allow_pickle=False) as saved:
        for variable in variables:
            _restore_one(path, saved, variable)


def _restore_one(path, saved, variable) -> None:
    if variable.path not in saved:
        raise errors.DataError(f'{path} has no {variable.path}: it is of another network.')
    value = saved[variable.path]
    if value.shape != tuple(variable.shape):
        raise errors.DataError(
            f'{path}: {variable.path} has shape {value.shape}, this network wants '
            f'{tuple(variable.shape)}. Use the width, recipe and classes that it was trained with.'
        )
    variable.assign(value)


def _newest_first(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted(directory.glob('step-*'), reverse=True)


def _problem(path: pathlib.Path) -> str | None:
    try:
        hashes = json.loads((path / _HASHES).read_text())
        for name in (_VARIABLES, _STATE):
            if files.sha256(path / name) != hashes[name]:
                return f'{name} is not what was written'
    except (OSError, ValueError, KeyError) as error:
        return f'it cannot be read ({error})'
    return None
