"""Lists the images below a folder, and counts the files that are not images.

Systems put their own files and folders beside images, and people put texts there. Whatever is not
an image, by its name or content, is left out.
"""

import os
import pathlib
import unicodedata
from collections.abc import Iterator
from typing import NoReturn

from input_pipeline import errors, files, tally
from input_pipeline.images import foreign_formats, headers

_SYSTEM_NAMES = {  # of macOS, Windows, NAS systems and Linux, in lower case
    *('__macosx', 'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin', 'recycler'),
    *('system volume information', '@eadir', '#recycle', '@recycle', '#snapshot', '@tmp'),
    *('lost+found', '__pycache__', 'icon\r'),
}
# Files with these suffixes are images whatever they hold; if it is something else, they are broken.
_IMAGE_SUFFIXES = {
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.apng', '.gif', '.bmp', '.dib', '.webp', '.tif'),
    *('.tiff', '.heic', '.heif', '.hif', '.avif', '.jp2', '.j2k', '.jpx', '.jxl', '.svg', '.psd'),
    *('.ico', '.tga', '.ppm', '.pgm', '.pbm', '.pnm', '.pcx', '.exr', '.hdr', '.dng', '.cr2'),
    *('.cr3', '.nef', '.arw', '.orf', '.rw2', '.raf', '.xcf', '.eps'),
}
_SIGNATURES = (headers.JPEG, headers.PNG[:8], headers.GIF)
_NO_IMAGES = ('', 'HTML', 'PDF', 'MP4 or QuickTime')  # of the formats that are known by content
_SNIFFED = 512  # bytes
_BROKEN = 'links to what does not exist'
_AROUND = 'links to a folder around them'


class Lister:
    """Lists folders and images, and keeps count of what it leaves out.

    Args:
        root: Folder that the names of examples start from.

    Attributes:
        ignored: Files and folders that were left out, by kind.
    """

    def __init__(self, root: pathlib.Path):
        self._root, self._folders = root, {}
        self.ignored: tally.Counts = {}

    def list_folders(self, folder: pathlib.Path) -> dict[str, list[pathlib.Path]]:
        """Lists the folders in a folder that are not of a system, by the name of their class.

        Names that look alike are one: blanks at their ends do not count, nor does the way in which
        Unicode composes their letters.

        Raises:
            DataError: There is no such folder, or a name is not UTF-8.
        """
        if folder in self._folders:  # whose system folders are counted already
            return self._folders[folder]
        if not folder.is_dir():
            raise errors.DataError(f'--source_dir={folder}: no such folder. Name one that exists.')
        classes: dict[str, list[pathlib.Path]] = {}
        paths = sorted(folder.iterdir())
        for path in paths:
            if _is_broken(path) and path.suffix.lower() not in _IMAGE_SUFFIXES:
                self.ignore(_BROKEN, path)
        top = pathlib.Path(os.path.realpath(folder))
        for path in (path for path in paths if path.is_dir()):
            if os.path.islink(path) and top.is_relative_to(os.path.realpath(path)):
                self.ignore(_AROUND, path)
                continue
            if self._is_visible(path, 'folder'):
                if path.name != path.name.encode(errors='replace').decode():
                    raise errors.DataError(
                        f'{folder}: the class folder {path.name!r} is not named in UTF-8. '
                        'Rename it.'
                    )
                classes.setdefault(normalize_name(path.name), []).append(path)
        self._folders[folder] = dict(sorted(classes.items()))
        return self._folders[folder]

    def list_images(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """Lists the images in a folder and its subfolders, readable or not, sorted.

        Links are followed. In an object store, subfolders are not searched.
        """
        return [path for path in self.list_files(folder) if self._is_image(path)]

    def list_files(self, folder: pathlib.Path) -> list[pathlib.Path]:
        """Lists the files in a folder and its subfolders, sorted, without those of systems."""
        if not folder.is_dir():
            return []
        if files.is_remote(folder):
            paths = (path for path in folder.iterdir() if path.is_file())
        else:
            paths = self._walk(folder)
        return sorted(path for path in paths if self._is_visible(path, 'file'))

    def ignore_outside(self, folder: pathlib.Path) -> None:
        """Counts the images that lie in a folder itself, beside its class folders."""
        for path in sorted(folder.iterdir()):
            is_visible = path.is_file() and self._is_visible(path, 'file')
            if is_visible and self._is_image(path):
                self.ignore('images outside class folders', path)

    def ignore(self, kind: str, path: pathlib.Path) -> None:
        """Counts a file or folder that is left out."""
        tally.add(self.ignored, f'ignored: {kind}', path.relative_to(self._root).as_posix())

    def _walk(self, folder: pathlib.Path) -> Iterator[pathlib.Path]:
        visited, top = set(), os.path.realpath(folder)
        for directory, subfolders, names in os.walk(folder, onerror=_raise, followlinks=True):
            subfolders.sort()
            real = os.path.realpath(directory)
            is_around = directory != str(folder) and pathlib.Path(top).is_relative_to(real)
            if is_around or real in visited:
                kind = _AROUND if is_around else 'folders that are there twice, by a link'
                self.ignore(kind, pathlib.Path(directory))
                subfolders.clear()
                continue
            visited.add(real)
            here = pathlib.Path(directory)
            subfolders[:] = [name for name in subfolders if self._is_visible(here / name, 'folder')]
            yield from (here / name for name in names if _is_file(here / name))

    def _is_visible(self, path: pathlib.Path, kind: str) -> bool:
        if is_hidden(path.name):
            reason = 'hidden' if path.name.startswith('.') else 'system'
            self.ignore(f'{reason} {kind}s', path)
        return not is_hidden(path.name)

    def _is_image(self, path: pathlib.Path) -> bool:
        """Returns whether a file is an image by its name or content; counts it if not."""
        suffix = path.suffix.lower()
        if suffix in _IMAGE_SUFFIXES:
            return True
        if _is_broken(path):
            self.ignore(_BROKEN, path)
            return False
        try:
            with path.open('rb') as file:
                start = file.read(_SNIFFED)
        except OSError:
            return True  # and unreadable
        if _is_known(start) or (not suffix and not _is_text(start)):
            return True
        self.ignore(f'{suffix or "text"} files', path)
        return False


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Lists the files in a folder and its subfolders, sorted, without those of systems."""
    return Lister(folder).list_files(folder)


def _raise(error: OSError) -> NoReturn:
    raise error


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is hidden, or belongs to the operating system.

    >>> is_hidden('@eaDir'), is_hidden('.cache'), is_hidden('cats')
    (True, True, False)
    """
    return name.startswith('.') or name.lower() in _SYSTEM_NAMES


def normalize_name(name: str) -> str:
    """Returns the name of a class without blanks at its ends, its letters composed (NFC).

    >>> len(normalize_name(' cafe' + chr(0x301)))
    4
    """
    return unicodedata.normalize('NFC', name.strip())


def _is_file(path: pathlib.Path) -> bool:
    """Whether a path is a file or a broken link (an unreadable image), not a device or pipe."""
    return path.is_file() or _is_broken(path)


def _is_broken(path: pathlib.Path) -> bool:
    return os.path.islink(path) and not path.exists()


def _is_known(start: bytes) -> bool:
    is_bmp = start.startswith(headers.BMP) and start[6:10] == bytes(4)  # not 'BMW'
    is_webp = start.startswith(b'RIFF') and start[8:12] == b'WEBP'
    is_other = foreign_formats.recognize(start) not in _NO_IMAGES
    return start.startswith(_SIGNATURES) or is_bmp or is_webp or is_other


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        text = start[: error.start].decode() if error.start > _SNIFFED - 4 else '\0'
    return bool(text) and '\0' not in text
