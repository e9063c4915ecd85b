"""Notices that a folder is a level too high, and names the one that looks right."""

import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence

from input_pipeline import errors
from input_pipeline.records import manifests
from input_pipeline.sources import listing, splits

_NAMED = 4  # folders in a message
_MAX_DEPTH = 4


def find_warning(root: pathlib.Path, classes: Mapping[str, Sequence[pathlib.Path]]) -> str:
    """Says why the folders of a folder do not look like classes; '' if they do.

    Args:
        root: Folder of the class folders, on a disk.
        classes: Its folders by class.
    """
    named = {split: paths[0] for name, paths in classes.items() if (split := _find_split(name))}
    if len(named) > 1:
        return (
            f'{root}: the classes {_join(filter(_find_split, classes))} are named like splits. If '
            'they are, rename them to train and val, with class folders in each.'
            f'{suggest_folder(named.get(manifests.TRAIN, root))}'
        )
    inner = {path: _list_folders(path) for paths in classes.values() for path in paths}
    for path, names in inner.items():
        if sum(name.lower() in splits.NAMES for name in names) > 1:
            return (
                f'{root}: the class folder {path.name} holds {_join(names)}, which are named like '
                f'splits. If they are, pass --source_dir={path}.'
            )
    shared = set.intersection(*inner.values()) if len(inner) > 1 else set()
    parents = [path for path, names in inner.items() if len(names) > 1 and not _has_files(path)]
    if shared:
        return (
            f'{root}: each of {_join(path.name for path in inner)} holds folders named '
            f'{_join(shared)}, which look more like the classes. If they are, pass one of them, as '
            f'--source_dir={next(iter(inner))}, or put the folders of a class together.'
        )
    if len(parents) == 1 and not any(names for path, names in inner.items() if path != parents[0]):
        return (
            f'{root}: the class folder {parents[0].name} holds nothing but the folders '
            f'{_join(inner[parents[0]])}. If these are the classes, pass --source_dir={parents[0]}.'
        )
    return ''


def suggest_folder(root: pathlib.Path) -> str:
    """Names the folder further down that has class folders, for an error; '' if there is none."""
    for _ in range(_MAX_DEPTH):
        inner = [name for name in _list_folders(root) if _list_folders(root / name)]
        if len(inner) != 1:
            return ''
        root = root / inner[0]
        if len(_list_folders(root)) > 1:
            return f' Perhaps --source_dir={root} is meant.'
    return ''


def _find_split(name: str) -> str:
    """The split that a word of a name stands for, as in 'seg_train'."""
    words = re.split(r'[^a-z]+', name.lower())
    return next((splits.NAMES[word] for word in words if word in splits.NAMES), '')


def _list_folders(folder: pathlib.Path) -> set[str]:
    with os.scandir(folder) as found:  # links may lead up again
        folders = {item.name for item in found if item.is_dir(follow_symlinks=False)}
    return {name for name in folders if not listing.is_hidden(name)}


def _has_files(folder: pathlib.Path) -> bool:
    with os.scandir(folder) as found:
        return any(item.is_file() and not listing.is_hidden(item.name) for item in found)


def _join(names: Iterable[str]) -> str:
    return errors.join_some(sorted(names), _NAMED)
