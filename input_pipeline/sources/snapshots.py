"""The files that an index was made from, to notice changes.

Content is not read again: a file has changed if its size or its time of modification has.
"""

import csv
import io
import os
import pathlib

from input_pipeline import files
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import folder, listing

FILE = 'source.csv'


def write(directory: pathlib.Path, place: str, source: entries_lib.Source) -> None:
    """Writes the list of a source's files, the source itself first.

    Args:
        directory: Directory of the index.
        place: Folder of the source, or its file that lists images. Files elsewhere, as in an
            object store or of tensorflow-datasets, are not listed.
        source: The source.
    """
    only_images = source.name == folder.NAME
    paths = _list_below(place, only_images) if os.path.isdir(place) else []
    if os.path.isfile(place):
        images = (entry.read for members in source.splits.values() for entry in members)
        paths = sorted({files.make_absolute(str(image.path)) for image in images})
    described = [(path, *_describe(path)) for path in (place, *paths)]
    files.write_csv(directory / FILE, [('path', 'bytes', 'modified'), *described])


def read_place(directory: pathlib.Path) -> str:
    """Reads the `place` that `write` was given."""
    return _read(directory)[0][0]


def find_change(directory: pathlib.Path, *, only_images: bool) -> str:
    """Names the first file that is not as it was when the index was made.

    Args:
        directory: Directory of the index.
        only_images: Whether new files count only if they are images in class folders.

    Returns:
        What has changed, as 'PATH is new'; '' if nothing has.
    """
    before = {path: tuple(values) for path, *values in _read(directory)}
    for path, values in before.items():
        now = _describe(path)
        if now != values:
            return f'{path} {"has changed" if any(now) else "is missing"}'
    place = next(iter(before))
    present = _list_below(place, only_images) if os.path.isdir(place) else ()
    return next((f'{path} is new' for path in present if path not in before), '')


def _read(directory: pathlib.Path) -> list[list[str]]:
    text = (directory / FILE).read_bytes().decode(errors='surrogateescape')
    return list(csv.reader(io.StringIO(text, newline='')))[1:]


def _list_below(place: str, only_images: bool) -> list[str]:
    root = pathlib.Path(place)
    return list(map(str, folder.list_images(root) if only_images else listing.list_files(root)))


def _describe(path: str) -> tuple[str, str]:
    """Returns a file's size and modification time; 'folder' for a folder, '' for nothing."""
    if os.path.isdir(path):
        return 'folder', ''
    try:
        status = os.stat(path)
    except OSError:
        return '', ''
    return str(status.st_size), str(status.st_mtime_ns)
