"""A copy of the records on faster storage, made once."""

import dataclasses
import os
import pathlib
import shutil
import tempfile

from input_pipeline import errors, files, locks
from input_pipeline.records import manifests

_BLOCK = 1 << 20  # bytes
_MEMORY = pathlib.Path('/dev/shm')


def place(kind: str) -> pathlib.Path:
    """This user's directory that caches of a kind stand in: 'memory' or 'disk'.

    Raises:
        DataError: This machine has no file system in memory.
    """
    if kind == 'disk':
        return pathlib.Path(tempfile.gettempdir()) / _name()
    if not _MEMORY.is_dir():
        raise errors.DataError(f'--cache=memory: there is no {_MEMORY} here. Use --cache=disk.')
    return _MEMORY / _name()


def _name() -> str:
    return f'alexnet_tf_cache_{os.getuid()}'


def copied(manifest: manifests.Manifest, parent: pathlib.Path) -> manifests.Manifest:
    """The same data set in `parent`, copied if it is not there yet.

    The copy is named by the manifest's hash and checked against it when it is made, so runs on the
    same data share it and a half-made one is never used. Later, its files' sizes are looked at; one
    that is no longer whole is made again. It stays when the run ends.

    Raises:
        DataError: There is not room enough, or a copied file is not what the manifest says.
    """
    directory = parent / manifest.sha256[:16]
    with locks.held(parent, wait=True):
        files.clear_left_aside(parent)
        try:
            found = manifests.load(directory)
        except errors.DataError:
            found = None
        if found and found.sha256 == manifest.sha256:
            return found
        shutil.rmtree(directory, ignore_errors=True)
        _check_room(manifest, parent)
        with files.atomic_directory(directory) as aside:
            for name in [*_files(manifest), manifests.MANIFEST, manifests.STATISTICS]:
                with (
                    (manifest.directory / name).open('rb') as file,
                    open(aside / name, 'wb') as copy,
                ):
                    shutil.copyfileobj(file, copy, _BLOCK)
            manifests.verify(dataclasses.replace(manifest, directory=aside))
    return dataclasses.replace(manifest, directory=directory)


def _files(manifest: manifests.Manifest) -> list[str]:
    return [shard.file for shards in manifest.splits.values() for shard in shards]


def _check_room(manifest: manifests.Manifest, parent: pathlib.Path) -> None:
    wanted = sum(shard.bytes for shards in manifest.splits.values() for shard in shards)
    free = shutil.disk_usage(parent).free
    if wanted > free:
        raise errors.DataError(
            f'--cache: the records have {wanted / 1e9:,.1f} GB, {parent} has room for '
            f'{free / 1e9:,.1f}. Free some, or leave --cache out.'
        )
