"""Checkpoints: each is complete or does not exist, and is verified when written and when loaded.

`<directory>/step-00001234/`, or `step-00001234.epoch-0005/` at the end of an epoch, holds
`variables.npz` (weights, velocities and random states, by name), `state.json` (see
`state.TrainingState`) and `sha256.json` (hashes of both files, and the version of the format).
A directory gets its name after its files are on the disk: the last name is the newest checkpoint.
"""

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import pathlib
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from input_pipeline import errors, files

KEEP = 3
VERSION = 2
VARIABLES_FILE = 'variables.npz'
_NAME = re.compile(r'step-(\d+)(\.epoch-\d+)?')
_STATE_FILE, _HASHES_FILE = 'state.json', 'sha256.json'


def save(
    directory: pathlib.Path,
    variables: Iterable[keras.Variable],
    state: dict[str, Any],
    *,
    ends_epoch: bool = False,
    keep_every_epochs: int = 0,
) -> pathlib.Path:
    """Writes the checkpoint of `state['step']`, verifies it, then removes old ones.

    It keeps the newest three checkpoints, the best one at the end of an epoch, and that of every
    `keep_every_epochs`-th epoch. Corrupt checkpoints of later steps are removed.

    Args:
        directory: Directory of all checkpoints of a run.
        variables: The variables to save, by name.
        state: A `TrainingState` as a dictionary.
        ends_epoch: Whether it is the end of an epoch.
        keep_every_epochs: Interval in epochs; 0 for none.

    Returns:
        The directory of the checkpoint.

    Raises:
        DataError: There is an intact checkpoint of a later step, which the run did not start from.
        OSError: The disk is full or not writable, or returns other data than was written; earlier
            checkpoints are untouched.
    """
    _check_newest(directory, state['step'])
    end = f'.epoch-{state["epoch"]:04d}' if ends_epoch else ''
    final = directory / f'step-{state["step"]:08d}{end}'
    if final.exists():
        # As text: a validation error of an epoch without validation is NaN, which equals nothing.
        if _find_problem(final) is None and json.dumps(read_state(final)) == json.dumps(state):
            return final
        shutil.rmtree(final)
    files.remove_temporary(directory)
    with files.atomic_directory(final) as temporary:
        _write(temporary, variables, state)
    problem = _find_problem(final)
    if problem:
        shutil.rmtree(final)
        raise OSError(errno.EIO, f'the checkpoint just written is corrupt: {problem}', str(final))
    for path in _list_superfluous(directory, final, keep_every_epochs):
        # As far as it goes: a network disk keeps what another process reads.
        files.remove_tree(path)
    return final


def _check_newest(directory: pathlib.Path, step: int) -> None:
    for path in _list_newest_first(directory):
        is_later = int(_NAME.fullmatch(path.name)[1]) > step
        if is_later and _find_problem(path) is None:
            raise errors.DataError(
                f'{path} was not there when training started, and would be lost. Run the same '
                'command again to resume from it, or name another --run_dir.'
            )


def _write(directory: pathlib.Path, variables: Iterable[keras.Variable], state) -> None:
    with open(directory / VARIABLES_FILE, 'wb', buffering=0) as file:
        hashing = _HashingFile(file)
        np.savez(hashing, **{variable.path: variable.numpy() for variable in variables})
    text = json.dumps(state, indent=2).encode()
    (directory / _STATE_FILE).write_bytes(text)
    hashes = {
        'version': VERSION,
        VARIABLES_FILE: hashing.sha256(),
        _STATE_FILE: hashlib.sha256(text).hexdigest(),
    }
    (directory / _HASHES_FILE).write_text(json.dumps(hashes, indent=2))


class _HashingFile(io.RawIOBase):
    """Hashes what is written, in order, before it reaches the file."""

    def __init__(self, file):
        self._file, self._digest = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._digest.update(data)
        whole, done = memoryview(data).cast('B'), 0
        while done < len(whole):
            done += self._file.write(whole[done:])
        return done

    def sha256(self) -> str:
        return self._digest.hexdigest()


def find_newest(directory: pathlib.Path) -> pathlib.Path | None:
    """Returns the newest intact checkpoint; None if there are none.

    Corrupt ones are skipped with a warning.

    Raises:
        DataError: All checkpoints are corrupt, or the newest has another version.
    """
    return _find_intact(directory, _list_newest_first(directory))


def find_best(directory: pathlib.Path) -> pathlib.Path | None:
    """Returns the intact checkpoint with the lowest validation error; else the newest.

    Only checkpoints at the end of an epoch, or before the first one, have a validation error.

    Raises:
        DataError: All checkpoints are corrupt, or one has another version.
    """
    ends = sorted(_list_epoch_ends(directory), key=lambda end: end[1])
    best_first = [path for path, _, _ in ends]
    rest = [path for path in _list_newest_first(directory) if path not in best_first]
    return _find_intact(directory, best_first + rest)


def read_state(path: pathlib.Path) -> dict[str, Any]:
    """Reads the training state of a checkpoint."""
    return json.loads((path / _STATE_FILE).read_text())


def read_newest_state(directory: pathlib.Path) -> dict[str, Any] | None:
    """Reads the training state of the newest checkpoint that has one; None if there is none."""
    for path in _list_newest_first(directory):
        with contextlib.suppress(OSError, ValueError):  # damaged: loading it will say so
            return read_state(path)
    return None


def read_variables_sha256(path: pathlib.Path) -> str:
    """Reads the SHA-256 of a checkpoint's variables."""
    return json.loads((path / _HASHES_FILE).read_text())[VARIABLES_FILE]


def list_weights(model: keras.Model) -> list[keras.Variable]:
    """Lists the variables of a trained network: all but the states of random generators."""
    return [variable for variable in model.variables if 'seed_generator' not in variable.path]


def restore(path: pathlib.Path, variables: Iterable[keras.Variable]) -> None:
    """Sets every variable to its value in a checkpoint.

    Raises:
        DataError: A variable is missing or has another shape, as in a checkpoint of another
            network; or the checkpoint no longer exists.
    """
    with explain_removal(path):
        arrays = np.load(path / VARIABLES_FILE, allow_pickle=False)
    with arrays:
        for variable in variables:
            _restore_variable(path, arrays, variable)


@contextlib.contextmanager
def explain_removal(path: pathlib.Path) -> Iterator[None]:
    """Raises a DataError that says why a checkpoint is gone, if a file of it is not found."""
    try:
        yield
    except FileNotFoundError as error:
        raise errors.DataError(
            f'{path} is gone: a run in progress removes old checkpoints. Run this command again.'
        ) from error


def _restore_variable(path: pathlib.Path, arrays, variable: keras.Variable) -> None:
    if variable.path not in arrays:
        reason = f'has no {variable.path}: a checkpoint of another network'
        raise errors.DataError(f'{path} {reason}. Give its recipe.')
    value = arrays[variable.path]
    if value.shape != tuple(variable.shape):
        raise errors.DataError(
            f'{path}: {variable.path} has shape {value.shape}, but this network expects '
            f'{tuple(variable.shape)}. Give the width, recipe and classes that it was trained with.'
        )
    variable.assign(value)


def _find_intact(directory: pathlib.Path, paths: list[pathlib.Path]) -> pathlib.Path | None:
    for path in paths:
        problem = _find_problem(path)
        if problem is None:
            return path
        warnings.warn(f'checkpoint {path} is skipped: {problem}.', stacklevel=3)
    if paths:
        raise errors.DataError(
            f'no checkpoint in {directory} is intact: their files do not match their sha256.json. '
            'Remove the directory to train from the start.'
        )
    return None


def _find_problem(path: pathlib.Path) -> str | None:
    try:
        hashes = json.loads((path / _HASHES_FILE).read_text())
        version = hashes.pop('version', 1)
        if version != VERSION:
            raise errors.DataError(
                f'checkpoint {path} has version {version}, but this program reads version '
                f'{VERSION}. Use the program that wrote it, or name another --run_dir.'
            )
        for name in (VARIABLES_FILE, _STATE_FILE):
            if files.compute_sha256(path / name) != hashes[name]:
                return f'{name} does not match its hash'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if _may_be_intact(error):
            raise
        return f'it cannot be read ({error})'
    return None


def _may_be_intact(error: Exception) -> bool:
    return isinstance(error, PermissionError) or errors.is_of_machine(error)


def _list_newest_first(directory: pathlib.Path) -> list[pathlib.Path]:
    if not os.path.lexists(directory):
        return []
    names = os.listdir(directory)  # unlike `glob`, raises where a directory cannot be read
    return sorted((directory / name for name in names if _NAME.fullmatch(name)), reverse=True)


def _list_epoch_ends(directory: pathlib.Path) -> list[tuple[pathlib.Path, float, int]]:
    """Lists (path, validation error, epoch) of the checkpoints at an epoch's end, oldest first."""
    ends = []
    for path in reversed(_list_newest_first(directory)):
        if '.epoch-' not in path.name:
            continue
        try:
            state = read_state(path)
            error = [state.get('initial_error'), *state['validation_errors']][-1]
            ends.append((path, math.inf if math.isnan(error) else error, state['epoch']))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            if _may_be_intact(error):
                raise
            continue  # corrupt
    return ends


def _list_superfluous(directory, newest, keep_every_epochs: int) -> list[pathlib.Path]:
    ends = [end for end in _list_epoch_ends(directory) if end[0] <= newest]
    newest_of_step: dict[str, pathlib.Path] = {}
    for path in _list_newest_first(directory):
        if path <= newest:
            newest_of_step.setdefault(path.name.partition('.')[0], path)
    kept = set([*newest_of_step.values()][:KEEP])
    if ends:
        kept.add(min(ends, key=lambda end: end[1])[0])
    if keep_every_epochs:
        kept |= {path for path, _, epoch in ends if epoch % keep_every_epochs == 0}
    return [path for path in _list_newest_first(directory) if path not in kept]
