"""Copies records to faster storage, once for all runs."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping

from input_pipeline import errors, files, locks
from input_pipeline.records import checking, manifests, reading, references

_BLOCK_BYTES = 1 << 20
_IMAGES = 'images'  # the folder of those that an index refers to
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
    files are checked; a copy that lacks some is made again. It stays when the run ends. Of an
    index, the images that it refers to are copied, too.

    Returns:
        The manifest of the copy.

    Raises:
        DataError: There is not enough room, `parent` belongs to another user, or a file cannot be
            read or is not what the manifest says.
    """
    directory = parent / manifest.sha256[:16]
    layout = manifest.layout
    if layout.encoding == references.ENCODING:
        layout = dataclasses.replace(layout, root=str(directory / _IMAGES))
    copied = dataclasses.replace(manifest, directory=directory, layout=layout)
    _make_private(parent)
    with locks.acquire(parent, wait=True):
        files.remove_temporary(parent)
        images = _list_images(manifest)
        if _is_current(directory, manifest, images):
            return copied
        shutil.rmtree(directory, ignore_errors=True)
        _check_disk_space(manifest, sum(images.values()), parent)
        with files.atomic_directory(directory) as temporary:
            shards = [shard.file for shard in manifest.all_shards]
            for name in [*shards, manifests.MANIFEST, manifests.STATISTICS]:
                _copy(manifest.directory / name, temporary / name)
            for name in images:
                _copy(files.as_path(manifest.layout.root) / name, temporary / _IMAGES / name)
            manifests.verify(dataclasses.replace(manifest, directory=temporary))
    return copied


def _make_private(parent: pathlib.Path) -> None:
    """Creates the directory of all copies, in which no other user may replace them."""
    with contextlib.suppress(FileExistsError):
        parent.mkdir(mode=0o700, parents=True)
    if parent.lstat().st_uid != os.getuid():  # of a link, its own: another user may lead elsewhere
        raise errors.DataError(
            f'--cache: {parent} belongs to another user, who could replace the records in it. Use '
            '--cache=disk with TMPDIR set to a directory of your own, or leave out --cache.'
        )


def _copy(original: pathlib.Path, copy: pathlib.Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with original.open('rb') as source, copy.open('wb') as target:
        shutil.copyfileobj(source, target, _BLOCK_BYTES)


def _list_images(manifest: manifests.Manifest) -> dict[str, int]:
    """Lists the files that an index refers to, with their sizes; of records, none."""
    if manifest.layout.encoding != references.ENCODING:
        return {}
    images = {}
    for batch in checking.read_batches(manifest.list_shards(manifests.ALL)):
        encoded, _ = reading.parse_records(batch, manifest.layout)
        located = map(references.locate, encoded.numpy())
        images |= {place.path: place.file_bytes for place in located if place.path}
    if outside := next(filter(_leads_outside, images), None):
        raise errors.DataError(
            f'--cache copies the images in {manifest.layout.root}, but {outside} is elsewhere. '
            'Leave out --cache, or prepare records.'
        )
    return images


def _leads_outside(path: str) -> bool:
    return path.startswith('/') or '://' in path or os.pardir in path.split('/')


def _is_current(
    directory: pathlib.Path, manifest: manifests.Manifest, images: Mapping[str, int]
) -> bool:
    try:
        copies = ((directory / _IMAGES / name, size) for name, size in images.items())
        is_whole = all(path.stat().st_size == size for path, size in copies)
        return is_whole and manifests.load(directory).sha256 == manifest.sha256
    except (errors.DataError, OSError):
        return False


def _check_disk_space(manifest: manifests.Manifest, images: int, parent: pathlib.Path) -> None:
    needed = sum(shard.bytes for shard in manifest.all_shards) + images
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise errors.DataError(
            f'--cache: the records have {needed / 1e9:,.1f} GB, but {parent} has room for '
            f'{free / 1e9:,.1f} GB. Free some space, or leave out --cache.'
        )
