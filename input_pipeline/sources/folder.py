"""A folder of class folders, or of train/ and val/ with class folders in each."""

import pathlib
from collections.abc import Mapping, Sequence

from input_pipeline import errors, files
from input_pipeline.images import rendering
from input_pipeline.records import manifests
from input_pipeline.sources import entries as entries_lib
from input_pipeline.sources import levels, listing, splits

NAME = 'folder'
_VALIDATION_NAMES = [name for name, split in splits.NAMES.items() if split != manifests.TRAIN]
_NAMED = 5  # folders in a message

_Classes = Mapping[str, Sequence[pathlib.Path]]  # the folders of each class


def find_images(
    source_dir: str, *, validation_fraction: float, split_rule: str = ''
) -> entries_lib.Source:
    """Finds the images of a folder, by class.

    Args:
        source_dir: Folder with `train/` (or `training/`) and `val/` (or `validation/`, `valid/`,
            `test/`, `testing/`), or with class folders.
        validation_fraction: Fraction of the images of each class to hold out if there is no `val/`.
            The hash of a file's content decides, so an image does not change sides when it is
            renamed, and few do when others are added.
        split_rule: See `splits.hold_out`; '' for the present rule.

    Raises:
        DataError: There is no such folder, it has fewer than two class folders, a class has no
            images, a validation class is missing in training, or a split is empty.
    """
    root = files.as_path(source_dir)
    lister = listing.Lister(root)
    if folders := _find_split_folders(lister, root):
        return _find_split_images(lister, root, folders)
    classes, entries = _list_class_images(lister, root, root)
    rule = split_rule or splits.BY_CLASS_AND_CONTENT
    digests = ((entry, splits.hash_content(entry)) for entry in entries)
    held_out = splits.hold_out(digests, validation_fraction, rule=rule)
    return _make_source(lister, root, classes, held_out, split_rule=rule)


def list_class_images(
    root: pathlib.Path,
) -> tuple[tuple[str, ...], list[entries_lib.Entry]]:
    """Lists the classes of a folder of class folders, and the images in all of them.

    Raises:
        DataError: It has fewer than two class folders, or a class has no images; or it is divided
            into train/ and val/.
    """
    lister = listing.Lister(root)
    folders = _find_split_folders(lister, root)
    if len(folders) > 1:
        names = ' and '.join(f'{folder.name}/' for folder in folders.values())
        raise errors.DataError(
            f'{root} has {names}, which are no classes. Name one of them, or give validation_split '
            'and subset.'
        )
    classes, entries = _list_class_images(lister, root, root)
    return tuple(classes), entries


def list_images(root: pathlib.Path) -> list[pathlib.Path]:
    """Lists the images below a folder that `find_images` finds, by class and path."""
    lister = listing.Lister(root)
    return [
        path
        for parent in _find_split_folders(lister, root).values() or [root]
        for folders in lister.list_folders(parent).values()
        for folder in folders
        for path in lister.list_images(folder)
    ]


def _find_split_folders(lister: listing.Lister, root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Finds the folder of each split that has class folders; none if the root has classes."""
    present = {name.lower(): paths[0] for name, paths in lister.list_folders(root).items()}
    folders: dict[str, pathlib.Path] = {}
    for name, split in splits.NAMES.items():  # the first name that exists counts
        if name in present and lister.list_folders(present[name]):
            folders.setdefault(split, present[name])
    others = len(lister.list_folders(root)) - len(folders)
    # A train/ without class folders inside, or alone among other folders, is itself a class.
    is_divided = manifests.TRAIN in folders and (len(folders) > 1 or others < 2)
    return folders if is_divided else {}


def _find_split_images(lister, root, folders) -> entries_lib.Source:
    train = folders[manifests.TRAIN]
    if len(folders) < 2:
        raise errors.DataError(
            f'{root} has {train.name}/ but none of {", ".join(_VALIDATION_NAMES)} with class '
            f'folders. Add one of them, or pass --source_dir={train} to hold out a fraction of it.'
        )
    classes, training = _list_class_images(lister, root, train)
    labels = {name: label for label, name in enumerate(classes)}
    found: splits.Splits = {manifests.TRAIN: training}
    for split in (manifests.VALIDATION, manifests.TEST):
        if split in folders:
            held_out = lister.list_folders(folders[split])
            _check_known(folders[split], held_out, train, classes)
            found[split] = _list_entries(lister, root, held_out, labels)
            lister.ignore_outside(folders[split])
    lister.ignore_outside(root)
    for paths in lister.list_folders(root).values():
        for path in paths:
            if path not in folders.values():
                lister.ignore('folders beside those of splits', path)
    note = splits.name_validation(found)
    return _make_source(lister, root, classes, found, note=note)


def _list_class_images(
    lister: listing.Lister, root: pathlib.Path, folder: pathlib.Path
) -> tuple[_Classes, list[entries_lib.Entry]]:
    """Lists the classes of a folder, at least two, and their images, at least one of each."""
    classes = lister.list_folders(folder)
    if len(classes) < 2:
        number = 'one class folder' if classes else 'no class folders'
        raise errors.DataError(
            f'{folder} has {number}; a classifier needs at least two. Put the images of each '
            f'class into a folder of its own.{_suggest(folder)}'
        )
    entries = _list_entries(lister, root, classes, {name: at for at, name in enumerate(classes)})
    occupied = {entry.label for entry in entries}
    for label, paths in enumerate(classes.values()):
        if label not in occupied:
            raise errors.DataError(
                f'{paths[0]} holds no images. Add some or remove the class folder.'
                f'{_suggest(folder)}'
            )
    lister.ignore_outside(folder)
    return classes, entries


def _list_entries(
    lister: listing.Lister, root: pathlib.Path, classes: _Classes, labels: Mapping[str, int]
) -> list[entries_lib.Entry]:
    return [
        entries_lib.Entry(
            path.relative_to(root).as_posix(),
            labels[name],
            entries_lib.ImageFile.from_path(str(path)),
        )
        for name, folders in classes.items()
        for folder in folders
        for path in lister.list_images(folder)
    ]


def _suggest(folder: pathlib.Path) -> str:
    return '' if files.is_remote(folder) else levels.suggest_folder(folder)


def _check_known(folder, held_out: _Classes, train, classes: _Classes) -> None:
    unknown = sorted(set(held_out) - set(classes))
    if unknown:
        raise errors.DataError(
            f'{folder} has classes that {train} lacks: {", ".join(unknown[:_NAMED])}. Every class '
            'there needs training images in a folder of the same name.'
        )


def _make_source(
    lister: listing.Lister,
    root: pathlib.Path,
    classes: _Classes,
    found: splits.Splits,
    *,
    split_rule: str = '',
    note: str = '',
) -> entries_lib.Source:
    splits.check(found, root)
    warning = '' if files.is_remote(root) else levels.find_warning(root, classes)
    return entries_lib.Source(
        NAME,
        f'{root}: {len(classes)} classes, {splits.describe(found)}{note}',
        tuple(classes),
        found,
        split_rule=split_rule,
        rendering=rendering.OWN_IMAGES,
        ignored=lister.ignored,
        warnings=(warning,) if warning else (),
    )
