"""A folder of class folders, or of train/ and val/ with class folders in each."""

import dataclasses
import hashlib
import os
import pathlib

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib

# The first that there is, in any case.
_TRAINING_NAMES = ('train', 'training')
_VALIDATION_NAMES = ('val', 'validation', 'valid', 'test', 'testing')
_NOT_PICTURES = ('.ds_store', 'thumbs.db', 'desktop.ini', '__macosx')


def find(source_dir: str, *, validation_fraction: float) -> entries_lib.Found:
    """The pictures of a folder, by class.

    Args:
        source_dir: Holds `train/` (or `training/`) and `val/` (or `validation/`, `valid/`,
            `test/`, `testing/`), or class folders.
        validation_fraction: Without val/: the share held out. The hash of a file's content
            decides, so no picture ever changes sides, renamed or joined by others.

    Raises:
        DataError: No such folder, no class folders, fewer than two classes, a class without
            pictures, a validation class that training lacks, an empty split.
    """
    root = files.at(source_dir)
    train, validation = (_named(root, each) for each in (_TRAINING_NAMES, _VALIDATION_NAMES))
    # Without folders inside, they are classes of these names.
    if train and validation and _class_folders(train):
        return of_two(root, train, validation)
    if train and set(_class_folders(root)) == {train.name}:
        raise errors.DataError(
            f'{root} has {train.name}/ but none of {", ".join(_VALIDATION_NAMES)}. Give {train} '
            'itself to hold out a share of it.'
        )
    found = _found(root, *_from_one(root, validation_fraction))
    return dataclasses.replace(found, split_rule=entries_lib.BY_CONTENT)


def of_two(root: pathlib.Path, train: pathlib.Path, validation: pathlib.Path) -> entries_lib.Found:
    """The pictures of two folders of class folders, named from `root`; errors as of `find`."""
    return _found(root, *_from_two(root, train, validation))


def _named(root, names) -> pathlib.Path | None:
    """The folder that has the first of some names that there is."""
    if not root.is_dir():
        return None
    there = {each.name.lower(): each for each in sorted(root.iterdir()) if each.is_dir()}
    return next((there[name] for name in names if name in there), None)


def _found(root, classes, splits) -> entries_lib.Found:
    for split, entries in splits.items():
        if not entries:
            raise errors.DataError(
                f'{root}: no picture falls into the {split} split. Add pictures or change '
                '--validation_fraction.'
            )
    numbers = ', '.join(f'{len(entries):,} {split}' for split, entries in splits.items())
    description = f'{root}: {len(classes)} classes, {numbers} pictures'
    return entries_lib.Found('folder', description, classes, splits, exif_orientation=True)


def _from_two(root, train, validation):
    classes = _classes(train)
    _check_known(validation, train, classes)
    folders = {manifests.TRAIN: train, manifests.VALIDATION: validation}
    test = _named(root, ('test', 'testing'))
    if test and test != validation and _class_folders(test):
        _check_known(test, train, classes)
        folders[manifests.TEST] = test
    return classes, {
        split: [each for name in classes for each in _entries(root, folder / name, classes)]
        for split, folder in folders.items()
    }


def _check_known(folder, train, classes) -> None:
    surplus = sorted(set(_class_folders(folder)) - set(classes))
    if surplus:
        raise errors.DataError(
            f'{folder} has classes that {train} lacks: {", ".join(surplus[:5])}. Every class there '
            'needs training pictures under the same folder name.'
        )


def _from_one(root, fraction):
    classes = _classes(root)
    splits = {manifests.TRAIN: [], manifests.VALIDATION: []}
    for name in classes:
        for each in _entries(root, root / name, classes):
            held_out = _share(root / each.name) < fraction
            splits[manifests.VALIDATION if held_out else manifests.TRAIN].append(each)
    return classes, splits


def _classes(folder) -> tuple[str, ...]:
    names = _class_folders(folder)
    if len(names) < 2:
        raise errors.DataError(
            f'{folder} has {len(names)} class folders; a classifier needs at least two, each '
            'with the pictures of one class.'
        )
    for name in names:
        if not files_below(folder / name):
            raise errors.DataError(
                f'{folder / name} holds no pictures. Add some or remove the class folder.'
            )
    return tuple(names)


def _class_folders(folder) -> list[str]:
    if not folder.is_dir():
        raise errors.DataError(f'--source_dir={folder}: no such folder.')
    names = sorted(each.name for each in folder.iterdir() if each.is_dir() and _counts(each))
    for name in names:
        if name != name.encode(errors='replace').decode():
            raise errors.DataError(f'{folder}: the class folder {name!r} is not named in UTF-8.')
    return names


def files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files in a folder and in those inside it, sorted; hidden ones are left out.

    In an object store, those in the folder itself.
    """
    if not folder.is_dir():
        return []
    if files.is_remote(folder):
        return sorted(each for each in folder.iterdir() if each.is_file() and _counts(each))
    found, seen = [], set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:  # a link in a circle
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [pathlib.Path(where, name) for name in names]
    return sorted(each for each in found if _is_file(each) and _counts(each))


def _is_file(path) -> bool:
    """Or a link to nowhere, which is a picture that cannot be read; no device or pipe."""
    return path.is_file() or (os.path.islink(path) and not path.exists())


def _counts(path) -> bool:
    return not path.name.startswith('.') and path.name.lower() not in _NOT_PICTURES


def _entries(root, folder, classes) -> list[entries_lib.Entry]:
    label = classes.index(folder.name)
    return [
        entries_lib.Entry(path.relative_to(root).as_posix(), label, entries_lib.File.at(str(path)))
        for path in files_below(folder)
    ]


def _share(path) -> float:
    """A number in [0, 1) that the file's content decides; an unreadable file's by its name."""
    try:
        digest = files.sha256(path)
    except OSError:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return entries_lib.share(digest)
