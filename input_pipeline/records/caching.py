"""Copies records to faster storage, once for all runs."""

import dataclasses
import os
import pathlib
import shutil
import tempfile

from input_pipeline import errors, files, locks
from input_pipeline.records import manifests

_BLOCK_BYTES = 1 << 20
_MEMORY = pathlib.Path('/dev/shm')


def cache_directory(kind: str) -> pathlib.Path:
    """Returns this user's directory for caches in 'memory' or on 'disk'.

    Raises:
        DataError: This machine has no file system in memory.
    """
    name = f'alexnet_tf_cache_{os.getuid()}'
    if kind == 'disk':
        return pathlib.Path(tempfile.gettempdir()) / name
    if not _MEMORY.is_dir():
        raise errors.DataError(f'--cache=memory: this machine has no {_MEMORY}. Use --cache=disk.')
    return _MEMORY / name


def copy_to_cache(manifest: manifests.Manifest, parent: pathlib.Path) -> manifests.Manifest:
    """Copies a data set into a subdirectory of `parent`, unless the copy exists.

    The copy is named after the manifest's hash and checked against it when it is made, so runs on
    the same data share it and an incomplete one is never used. Afterwards only the sizes of its
    files are checked; a copy that is damaged is made again. It stays when the run ends.

    Returns:
        The manifest of the copy.

    Raises:
        DataError: There is not enough room, or a copied file is not what the manifest says.
    """
    directory = parent / manifest.sha256[:16]
    with locks.acquire(parent, wait=True):
        files.remove_temporary(parent)
        if _is_current(directory, manifest):
            return dataclasses.replace(manifest, directory=directory)
        shutil.rmtree(directory, ignore_errors=True)
        _check_disk_space(manifest, parent)
        with files.atomic_directory(directory) as temporary:
            shards = [shard.file for shard in manifest.all_shards]
            for name in [*shards, manifests.MANIFEST, manifests.STATISTICS]:
                with (
                    (manifest.directory / name).open('rb') as original,
                    open(temporary / name, 'wb') as copy,
                ):
                    shutil.copyfileobj(original, copy, _BLOCK_BYTES)
            manifests.verify(dataclasses.replace(manifest, directory=temporary))
    return dataclasses.replace(manifest, directory=directory)


def _is_current(directory: pathlib.Path, manifest: manifests.Manifest) -> bool:
    try:
        return manifests.load(directory).sha256 == manifest.sha256
    except errors.DataError:
        return False


def _check_disk_space(manifest: manifests.Manifest, parent: pathlib.Path) -> None:
    needed = sum(shard.bytes for shard in manifest.all_shards)
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise errors.DataError(
            f'--cache: the records have {needed / 1e9:,.1f} GB, but {parent} has room for '
            f'{free / 1e9:,.1f} GB. Free some space, or leave out --cache.'
        )
