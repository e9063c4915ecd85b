"""Reads what both years of ILSVRC use: development kits, tars of tars, flat tars with labels."""

import pathlib
import re

from input_pipeline import errors
from input_pipeline.sources import archives, entries, synsets

CLASS_TAR = re.compile(r'n\d{8}\.tar')
TRAINING_IMAGE = re.compile(r'n\d{8}_\d+\.(?i:jpe?g)')
_CLASSES = 'meta.mat'


def read_classes(kit: pathlib.Path, year: int) -> synsets.Classes:
    """Reads the classes in a development kit.

    Raises:
        DataError: The file is not a development kit, or is that of another year.
        PackageMissing: SciPy is not installed.
    """
    data = _read_file(kit, _CLASSES)
    return synsets.read_development_kit(data, year, f'{_CLASSES} in {kit}')


def read_ground_truth(kit: pathlib.Path, name: str) -> tuple[str, str]:
    """Reads a ground truth in a development kit.

    Returns:
        Its text, and what messages call the file.

    Raises:
        DataError: The kit does not have it.
    """
    file = f'{name} in {kit}'
    return synsets.decode_text(_read_file(kit, name), file), file


def list_training_images(path: pathlib.Path, classes: synsets.Classes) -> list[entries.Entry]:
    """Lists the images of a tar that holds one tar for each class.

    Raises:
        DataError: The tar is damaged, or holds other classes.
    """
    labels, images, wnids = classes.labels_by_wnid(), [], set()
    for wnid, base, member in archives.iter_nested_members(path, CLASS_TAR, TRAINING_IMAGE):
        wnids.add(wnid)
        if wnid in labels:
            images.append(entries.Entry(f'train/{wnid}/{base}', labels[wnid], member))
    synsets.check_wnids(sorted(wnids), classes, str(path))
    return images


def list_flat_images(
    path: pathlib.Path, expected: re.Pattern, *, classes: synsets.Classes, truth: tuple[str, str]
) -> list[entries.Entry]:
    """Lists the images of a tar without folders; labels are in the order of the images' names.

    Args:
        path: Path of the tar.
        expected: Pattern of base names, such as ILSVRC2012_val_00000001.JPEG; their second part
            becomes the folder of the entries' names.
        classes: Classes that the ground truth may name.
        truth: The labels; see `read_ground_truth`.

    Raises:
        DataError: The tar is damaged, or does not have an image for each label.
    """
    members = dict(archives.iter_members(path, expected))
    text, file = truth
    labels = synsets.parse_ground_truth(text, classes, len(members), file)
    return [
        entries.Entry(f'{base.split("_")[1]}/{base}', label, members[base])
        for base, label in zip(sorted(members), labels, strict=True)
    ]


def _read_file(kit: pathlib.Path, name: str) -> bytes:
    data = archives.read_files(kit, [name]).get(name)
    if data is None:
        raise errors.DataError(f'{kit} holds no {name}: download the development kit again.')
    return data
