"""CIFAR-10: its archive for Python, or a folder of its pictures. 32x32, never resized."""

import functools
import io
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from input_pipeline import array_pickle, errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import archives, entries, folder

NAME = 'cifar10'
SIZE = 32
ARCHIVE = 'cifar-10-python.tar.gz'
CLASSES = (
    'airplane',
    'automobile',
    'bird',
    'cat',
    'deer',
    'dog',
    'frog',
    'horse',
    'ship',
    'truck',
)
EXPECTED = {manifests.TRAIN: 50_000, manifests.VALIDATION: 10_000}
_BATCHES = {
    manifests.TRAIN: [f'data_batch_{number}' for number in range(1, 6)],
    manifests.VALIDATION: ['test_batch'],
}


def recognises(root: pathlib.Path) -> str:
    """Why a folder is taken for CIFAR-10; '' where it is not."""
    if (root / ARCHIVE).is_file():
        return f'{ARCHIVE} is in it'
    folders = [root / 'train', root / 'test']
    if all(each.is_dir() and _class_folders(each) == list(CLASSES) for each in folders):
        return 'train/ and test/ hold the ten classes of CIFAR-10'
    return ''


def find(source_dir: str) -> entries.Found:
    """The 60,000 pictures; the test pictures are the validation split.

    Args:
        source_dir: Holds `cifar-10-python.tar.gz`, or `train/` and `test/` with class folders.

    Raises:
        DataError: Neither is there, or what is there is broken.
    """
    root = files.at(source_dir)
    if not recognises(root):
        raise errors.DataError(
            f'{root} holds neither {ARCHIVE} nor train/ and test/ with the ten classes of CIFAR-10.'
        )
    if (root / ARCHIVE).is_file():
        splits, what = _of_archive(root / ARCHIVE), ARCHIVE
    else:
        splits = folder.of_two(root, root / 'train', root / 'test').splits
        what = 'a folder of pictures'
    return entries.Found(
        NAME,
        f'{root}: CIFAR-10, {what}',
        CLASSES,
        splits,
        expected=EXPECTED,
        square_size=SIZE,
    )


def _class_folders(path) -> list[str]:
    return sorted(each.name for each in path.iterdir() if each.is_dir())


def _of_archive(path) -> dict[str, list[entries.Entry]]:
    return {
        split: [
            entries.Entry(
                f'{split}/{batch}/{at:05d}.png',
                int(label),
                functools.partial(_picture, str(path), batch, at),
            )
            for batch in batches
            for at, label in enumerate(_batches(str(path))[batch][1])
        ]
        for split, batches in _BATCHES.items()
    }


def _picture(path: str, batch: str, at: int) -> bytes:
    return tf.io.encode_png(_batches(path)[batch][0][at]).numpy()


@functools.lru_cache(1)
def _batches(path: str) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Pictures (n, 32, 32, 3) uint8 and labels of each pickled batch; the archive is read once."""
    names = [name for each in _BATCHES.values() for name in each]
    pickled = archives.read(files.at(path), names)
    return {name: _batch(path, name, pickled) for name in names}


def _batch(path: str, batch: str, pickled: dict[str, bytes]) -> tuple[np.ndarray, list[int]]:
    try:
        if batch not in pickled:
            raise ValueError('it is not there')
        held: Any = array_pickle.load(io.BytesIO(pickled[batch]))
        rows, labels = np.asarray(held['data'], np.uint8), [int(each) for each in held['labels']]
        if rows.shape != (len(labels), 3 * SIZE**2) or not set(labels) <= set(range(len(CLASSES))):
            raise ValueError(f'pictures of shape {rows.shape} and {len(labels)} labels')
    except Exception as error:  # a hostile pickle fails in any way
        raise errors.DataError(f'{path}: {batch} cannot be used ({error}).') from error
    return rows.reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1), labels
