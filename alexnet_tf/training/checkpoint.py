"""Checkpoints: whole or not there, verified when written and when loaded.

`<directory>/step-00001234/`, or `step-00001234.epoch-0005/` at an epoch's end, holds
`variables.npz` (weights, velocities, random state, by name), `state.json` (where the run stood)
and `sha256.json` (of both files, and the version of all this).
A directory gets its name when everything in it is on the disk: the last name is the newest.
"""

import errno
import hashlib
import io
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
VERSION = 2
VARIABLES = 'variables.npz'
_STATE, _HASHES = 'state.json', 'sha256.json'


def save(
    directory: pathlib.Path,
    variables: Iterable[keras.Variable],
    state: dict[str, Any],
    *,
    ends_epoch: bool = False,
    keep_every_epochs: int = 0,
) -> pathlib.Path:
    """Writes the checkpoint of `state['step']`, reads it back, then removes old ones.

    The newest three stay, the best of those at an epoch's end, and each `keep_every_epochs`-th of
    them. Later ones, which were broken or are gone back from, do not.

    Raises:
        OSError: The disk is full or not writable, or does not give back what was written; earlier
            checkpoints stand untouched.
    """
    end = f'.epoch-{state["epoch"]:04d}' if ends_epoch else ''
    final = directory / f'step-{state["step"]:08d}{end}'
    if final.exists():
        if _problem(final) is None and read_state(final) == state:
            return final
        shutil.rmtree(final)
    files.clear_left_aside(directory)
    with files.atomic_directory(final) as aside:
        with open(aside / VARIABLES, 'wb', buffering=0) as file:
            hashed = _Hashed(file)
            np.savez(hashed, **{each.path: each.numpy() for each in variables})
        text = json.dumps(state, indent=2).encode()
        (aside / _STATE).write_bytes(text)
        hashes = {VARIABLES: hashed.sha256(), _STATE: hashlib.sha256(text).hexdigest()}
        (aside / _HASHES).write_text(json.dumps({'version': VERSION} | hashes, indent=2))
    problem = _problem(final)
    if problem:
        shutil.rmtree(final)
        raise OSError(errno.EIO, f'the checkpoint just written is broken: {problem}', str(final))
    for old in _superfluous(directory, final, keep_every_epochs):
        shutil.rmtree(old)
    return final


class _Hashed(io.RawIOBase):
    """A file that takes the hash of what is to be written, in order."""

    def __init__(self, file):
        self._file, self._digest = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._digest.update(data)
        whole = memoryview(data).cast('B')
        done = 0
        while done < len(whole):
            done += self._file.write(whole[done:])
        return done

    def sha256(self) -> str:
        return self._digest.hexdigest()


def load_newest(directory: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint that is whole; None where there has been none.

    A broken one is named in a warning and passed over.

    Raises:
        DataError: There are checkpoints and all are broken, or the newest is of another version
            of this program.
    """
    return _first_whole(directory, _newest_first(directory))


def load_best(directory: pathlib.Path) -> pathlib.Path | None:
    """The whole checkpoint with the lowest validation error at its epoch's end; else the newest."""
    best = sorted(_ends_of_epochs(directory), key=lambda each: each[1])
    found = [path for path, _, _ in best]
    rest = [path for path in _newest_first(directory) if path not in found]
    return _first_whole(directory, found + rest)


def read_state(path: pathlib.Path) -> dict[str, Any]:
    """Where the run stood."""
    return json.loads((path / _STATE).read_text())


def restore(path: pathlib.Path, variables: Iterable[keras.Variable]) -> None:
    """Sets every variable to its value in the checkpoint.

    Raises:
        DataError: A variable is missing there, or has another shape: another network's. Or there
            is no such checkpoint any more.
    """
    try:
        saved = np.load(path / VARIABLES, allow_pickle=False)
    except FileNotFoundError as error:
        raise errors.DataError(
            f'{path} is gone: a training that goes on removes old checkpoints. Run this again.'
        ) from error
    with saved:
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


def _first_whole(directory, found: list[pathlib.Path]) -> pathlib.Path | None:
    for path in found:
        problem = _problem(path)
        if problem is None:
            return path
        warnings.warn(f'checkpoint {path} is passed over: {problem}.', stacklevel=3)
    if found:
        raise errors.DataError(
            f'none of the {len(found)} checkpoints in {directory} is whole (each has a '
            'sha256.json that its files must match). Remove the directory to start afresh.'
        )
    return None


def _newest_first(directory: pathlib.Path) -> list[pathlib.Path]:
    return sorted(directory.glob('step-*'), reverse=True)


def _ends_of_epochs(directory: pathlib.Path) -> list[tuple[pathlib.Path, float, int]]:
    """(path, validation error, epoch) of the checkpoints at an epoch's end, oldest first."""
    found = []
    for path in reversed(_newest_first(directory)):
        if '.epoch-' not in path.name:
            continue
        try:
            state = read_state(path)
            found.append((path, state['validation_errors'][-1], state['epoch']))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue  # broken: no one's best
    return found


def _superfluous(directory, final: pathlib.Path, keep_every_epochs: int) -> list[pathlib.Path]:
    ends = [each for each in _ends_of_epochs(directory) if each[0] <= final]
    kept = set([path for path in _newest_first(directory) if path <= final][:KEEP])
    if ends:
        kept.add(min(ends, key=lambda each: each[1])[0])
    if keep_every_epochs:
        kept |= {path for path, _, epoch in ends if epoch % keep_every_epochs == 0}
    return [path for path in _newest_first(directory) if path not in kept]


def _problem(path: pathlib.Path) -> str | None:
    try:
        hashes = json.loads((path / _HASHES).read_text())
        version = hashes.pop('version', 1)
        if version != VERSION:
            raise errors.DataError(
                f'checkpoint {path} has version {version}, this program reads {VERSION}. Use the '
                'program that wrote it, or begin another --run_dir.'
            )
        for name in (VARIABLES, _STATE):
            if files.sha256(path / name) != hashes[name]:
                return f'{name} is not what was written'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f'it cannot be read ({error})'
    return None
