"""A folder of class folders, or of train/ and val/ with class folders in each."""

import hashlib
import os
import pathlib
from collections.abc import Sequence

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

NAME = 'folder'
# The first name that exists counts, in upper or lower case.
_TRAINING_NAMES = ('train', 'training')
_VALIDATION_NAMES = ('val', 'validation', 'valid', 'test', 'testing')
_TEST_NAMES = ('test', 'testing')
_SYSTEM_FILES = ('.ds_store', 'thumbs.db', 'desktop.ini', '__macosx')


def find_images(source_dir: str, *, validation_fraction: float) -> entries_lib.Source:
    """Finds the images of a folder, by class.

    Args:
        source_dir: Folder with `train/` (or `training/`) and `val/` (or `validation/`, `valid/`,
            `test/`, `testing/`), or with class folders.
        validation_fraction: Fraction of the images to hold out if there is no `val/`. The hash of a
            file's content decides, so an image never changes sides when it is renamed or when
            others are added.

    Raises:
        DataError: There is no such folder, it has fewer than two class folders, a class has no
            images, a validation class is missing in training, or a split is empty.
    """
    root = files.as_path(source_dir)
    train = _find_folder(root, _TRAINING_NAMES)
    validation = _find_folder(root, _VALIDATION_NAMES)
    # If there are no folders inside, they are classes of these names.
    if train and validation and _list_classes(train):
        return find_split_images(root, train, validation)
    if train and set(_list_classes(root)) == {train.name}:
        raise errors.DataError(
            f'{root} has {train.name}/ but none of {", ".join(_VALIDATION_NAMES)}. Add one of '
            f'them, or pass --source_dir={train} to hold out a fraction of it.'
        )
    classes, entries = list_class_images(root)
    splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for entry in entries:
        digest = _hash_content(root / entry.name)
        splits[entries_lib.choose_split(digest, validation_fraction)].append(entry)
    return _make_source(root, classes, splits, split_rule=entries_lib.BY_CONTENT)


def find_split_images(
    root: pathlib.Path, train: pathlib.Path, validation: pathlib.Path
) -> entries_lib.Source:
    """Finds the images of two folders of class folders, and those of `test/` if it is a third.

    Args:
        root: Folder that image names start from.
        train: Folder of training images inside it.
        validation: Folder of validation images inside it.

    Raises:
        DataError: See `find_images`.
    """
    classes = _check_classes(train)
    folders = {manifests.TRAIN: train, manifests.VALIDATION: validation}
    test = _find_folder(root, _TEST_NAMES)
    if test and test != validation and _list_classes(test):
        folders[manifests.TEST] = test
    for folder in list(folders.values())[1:]:
        _check_known(folder, train, classes)
    splits = {split: _list_entries(root, folder, classes) for split, folder in folders.items()}
    return _make_source(root, classes, splits)


def list_class_images(
    root: pathlib.Path,
) -> tuple[tuple[str, ...], list[entries_lib.Entry]]:
    """Lists the class folders of a folder, and the images in all of them.

    Raises:
        DataError: It has fewer than two class folders, or a class has no images.
    """
    classes = _check_classes(root)
    return classes, _list_entries(root, root, classes)


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Lists the files in a folder and its subfolders, sorted, without hidden and system files.

    Links are followed. In an object store, subfolders are not searched.
    """
    if not folder.is_dir():
        return []
    if files.is_remote(folder):
        return sorted(path for path in folder.iterdir() if path.is_file() and _is_visible(path))
    paths, visited = [], set()
    for directory, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in visited:  # links form a circle
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = [name for name in subfolders if not name.startswith('.')]
        paths += [pathlib.Path(directory, name) for name in names]
    return sorted(path for path in paths if _is_file(path) and _is_visible(path))


def _find_folder(root: pathlib.Path, names: Sequence[str]) -> pathlib.Path | None:
    """Finds the folder with the first of some names that exists."""
    if not root.is_dir():
        return None
    folders = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def _make_source(root, classes, splits, split_rule: str = '') -> entries_lib.Source:
    entries_lib.check_splits(splits, root)
    description = f'{root}: {len(classes)} classes, {entries_lib.describe_splits(splits)}'
    return entries_lib.Source(
        NAME, description, classes, splits, split_rule=split_rule, exif_orientation=True
    )


def _check_known(folder: pathlib.Path, train: pathlib.Path, classes: Sequence[str]) -> None:
    unknown = sorted(set(_list_classes(folder)) - set(classes))
    if unknown:
        raise errors.DataError(
            f'{folder} has classes that {train} lacks: {", ".join(unknown[:5])}. Every class there '
            'needs training images in a folder of the same name.'
        )


def _check_classes(folder: pathlib.Path) -> tuple[str, ...]:
    """Lists the classes of a folder, at least two, each with images."""
    names = _list_classes(folder)
    if len(names) < 2:
        raise errors.DataError(
            f'{folder} has {len(names)} class folders; a classifier needs at least two. Put the '
            'images of each class into a folder of its own.'
        )
    for name in names:
        if not list_files(folder / name):
            raise errors.DataError(
                f'{folder / name} holds no images. Add some or remove the class folder.'
            )
    return tuple(names)


def _list_classes(folder: pathlib.Path) -> list[str]:
    if not folder.is_dir():
        raise errors.DataError(f'--source_dir={folder}: no such folder. Name one that exists.')
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and _is_visible(path))
    for name in names:
        if name != name.encode(errors='replace').decode():
            raise errors.DataError(
                f'{folder}: the class folder {name!r} is not named in UTF-8. Rename it.'
            )
    return names


def _is_file(path: pathlib.Path) -> bool:
    """Whether a path is a file or a broken link (an unreadable image), not a device or pipe."""
    return path.is_file() or (os.path.islink(path) and not path.exists())


def _is_visible(path: pathlib.Path) -> bool:
    return not path.name.startswith('.') and path.name.lower() not in _SYSTEM_FILES


def _list_entries(root, folder, classes: Sequence[str]) -> list[entries_lib.Entry]:
    return [
        entries_lib.Entry(
            path.relative_to(root).as_posix(), label, entries_lib.ImageFile.from_path(str(path))
        )
        for label, name in enumerate(classes)
        for path in list_files(folder / name)
    ]


def _hash_content(path: pathlib.Path) -> str:
    """The sha256 of a file's content, or of its name if it cannot be read."""
    try:
        return files.compute_sha256(path)
    except OSError:
        return hashlib.sha256(os.fsencode(path.name)).hexdigest()
